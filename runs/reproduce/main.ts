/** @file `npm run reproduce -- ID… [options]`: the paper's tables, figures and demands, each by one command. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeFileAtomic } from "../../src/base/atomic-file.ts";
import { onInterrupt } from "../../src/base/interrupt.ts";
import { createCodeRunner } from "../../src/eval/run-code.ts";
import { inTurn, runCommand } from "./command.ts";
import { indexPage, listLine, reproduce, resultsFolder } from "./reproduce.ts";
import { type Context, parseBudget } from "./row.ts";
import { shippedModel, shippedPair } from "./shipped-pair.ts";
import { IDS, type Id, parseId } from "./table.ts";

const help = `npm run reproduce -- ID… [options]
npm run reproduce -- --list

  --list          all ids: what they show, where the documents say it, how long they take
  --budget NAME   minutes (a first look, at most 8 items a task; default), hours (the protocol on two cores) or full
  --data DIR      data sets (default ../shared/data)
  --model FILE    an edge model alone, without LoRA-Gen's rows (default that of pairs/smollm2, SmolLM2-135M-Instruct in Q4_1)
  --pair DIR      cloud, edge and generator, for LoRA-Gen's rows (default pairs/smollm2, the pair that ships)
  --train FILE    the generator's run of which ablations train their own, each with other keys and equal steps (default
                  that of runs/reasoning, over the paper's seen tasks); what was trained lies in --work, and goes on from there
  --no-training   trains nothing: what is not trained yet is left out of a page and named
  --allow-code PYTHON  runs programs that a model wrote, to score them (MBPP, HumanEval), with this Python
  --methods LIST  methods asked beside a page's own, such as lora:FOLDER or loramoe:FILE
  --out DIR       where pages are written (default ${resultsFolder})
  --work DIR      logs, from which a page that was stopped goes on (default work/reproduce)
`;

const root = join(import.meta.dirname, "../..");

/** Runs tests by their files; false where one failed. */
function runTests(files: readonly string[], titled: string | undefined): boolean {
  const filter = titled === undefined ? [] : ["-t", titled];
  return spawnSync("npx", ["vitest", "run", ...files, ...filter], { cwd: root, stdio: "inherit" }).status === 0;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      budget: { type: "string", default: "minutes" },
      data: { type: "string", default: join(root, "../shared/data") },
      model: { type: "string" },
      pair: { type: "string" },
      train: { type: "string" },
      "no-training": { type: "boolean", default: false },
      "allow-code": { type: "string" },
      methods: { type: "string", default: "" },
      out: { type: "string", default: join(root, resultsFolder) },
      work: { type: "string", default: join(root, "work/reproduce") },
    },
  });
  if (values.help || (!values.list && positionals.length === 0)) return void process.stdout.write(help);
  if (values.list) return void process.stdout.write(`${IDS.map(listLine).join("\n")}\n`);
  const ids = positionals.map(parseId);
  const interrupt = onInterrupt(() => process.stderr.write("\nstopping; the same command goes on from here\n"));
  const context: Context = {
    budget: parseBudget(values.budget),
    data: values.data,
    model: values.model ?? shippedModel,
    pair: values.pair ?? (values.model === undefined ? shippedPair : undefined),
    train: values.train,
    noTraining: values["no-training"],
    methods: values.methods === "" ? [] : values.methods.split(","),
    work: values.work,
    runCode: values["allow-code"] === undefined ? undefined : (await createCodeRunner(values["allow-code"])).run,
    signal: interrupt.signal,
    tell: progress(),
  };
  try {
    const make = async (id: Id): Promise<void> => {
      const outcome = await reproduce(id, context, values.out);
      if (outcome.kind === "page") process.stdout.write(`${id}: ${outcome.path}\n`);
      if (outcome.kind === "out") process.stdout.write(`${id}: out, because ${outcome.because}\n`);
      if (outcome.kind === "test" && !runTests(outcome.files, outcome.titled)) process.exitCode = 1;
      if (outcome.kind === "page") await writeFileAtomic(join(values.out, "README.md"), indexPage(values.out));
    };
    await inTurn(ids, interrupt.signal, { nameOf: (id) => id, act: make });
  } finally {
    interrupt.close();
  }
}

/** A line now and then. */
function progress(): (text: string) => void {
  let last = 0;
  return (text) => {
    const now = performance.now();
    if (now - last < 5000) return;
    last = now;
    process.stderr.write(`${text}\n`);
  };
}

await runCommand(main);
