/**
 * @file Evaluates the default pair, or an edge model before it has a generator, on the assistant's tasks with several
 * seeds: `tsx runs/assistant/eval.ts OUT.json [options]`. `tsx runs/assistant/eval.ts select FILE…` names the best of
 * several results on validation data.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { AppError } from "../../src/base/errors.ts";
import { onInterrupt } from "../../src/base/interrupt.ts";
import { readJsonFile, writeJsonFile } from "../../src/base/json-file.ts";
import { createProgress } from "../../src/base/progress.ts";
import { version } from "../../src/base/version.ts";
import type { TaskFamily } from "../../src/data/task.ts";
import { toTaskFile } from "../../src/data/task-file.ts";
import { type MethodName, parseMethods } from "../../src/eval/methods.ts";
import { markdownTable, percent, points } from "../../src/eval/report.ts";
import { evaluate } from "../../src/eval/run-eval.ts";
import { differencesOverSeeds, overSeeds, type SeedCell } from "../../src/eval/seeds.ts";
import { selectBest } from "../../src/eval/select.ts";
import { pairSubject, type Subject } from "../../src/eval/subject.ts";
import type { EvalReport } from "../../src/eval/summarize.ts";
import { openModel } from "../../src/models/load.ts";
import { quantizationName } from "../../src/models/quantized/layout.ts";
import { loadPair, type Pair } from "../../src/pair/pair-file.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../../src/text/prompt.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { type Family, families, heldAgainstBars } from "./eval-bars.ts";
import { loadAssistantTasks } from "./tasks/index.ts";

const USAGE = `Usage: tsx runs/assistant/eval.ts OUT.json [options]
       tsx runs/assistant/eval.ts select FILE…

  --pair DIR                      the pair (pairs/assistant)
  --edge DIR                      an edge model alone, without specialisation; --tokenizer DIR (pairs/assistant/tokenizer)
  --data DIR                      the data sets (../shared/data)
  --split validation|test         which inputs (validation); a result on test is never written over
  --samples N                     at most N inputs of each task (100)
  --seeds A,B,…                   each chooses wordings, examples and inputs (1,2,3)
  --methods A,B,…                 (base,prompted,prompted-5shot,specialized,wrong-prompt)
  --prompt description|examples   a held-out wording, or five examples and no description (description)
  --choices                       score tasks with few labels by likelihood
  --only PATTERN                  only tasks whose name matches
  --timed N                       queries timed per task and method, in the first seed (8)
  --threads N                     0: one per core (0)

select: the result with the best accuracy on the seen tasks (specialized, or prompted for an edge model alone)`;

const Split = z.enum(["validation", "test"]);
const Flags = z.strictObject({
  pair: z.string().default("pairs/assistant"),
  edge: z.string().optional(),
  tokenizer: z.string().default("pairs/assistant/tokenizer"),
  data: z.string().default("../shared/data"),
  split: Split.default("validation"),
  samples: z.coerce.number().int().min(1).default(100),
  seeds: z
    .string()
    .regex(/^\d+(,\d+)*$/)
    .default("1,2,3"),
  methods: z.string().optional(),
  prompt: z.enum(["description", "examples"]).default("description"),
  choices: z.boolean().default(false),
  only: z.string().default(""),
  timed: z.coerce.number().int().min(0).default(8),
  threads: z.coerce.number().int().min(0).default(0),
});
type Flags = z.infer<typeof Flags>;

const Result = z.looseObject({
  split: Split,
  seen: z.looseObject({
    specialized: z.looseObject({ accuracy: z.number() }).optional(),
    prompted: z.looseObject({ accuracy: z.number() }).optional(),
  }),
});

try {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...{
        pair: text,
        edge: text,
        tokenizer: text,
        data: text,
        split: text,
        samples: text,
        seeds: text,
        methods: text,
      },
      ...{ prompt: text, only: text, timed: text, threads: text, choices: { type: "boolean" } },
    },
  });
  const [first, ...rest] = positionals;
  const flags = Flags.safeParse(values);
  if (first === "select" && rest.length > 0) await select(rest);
  else if (first === undefined || rest.length > 0 || !flags.success) {
    console.error(flags.success ? USAGE : `${z.prettifyError(flags.error)}\n\n${USAGE}`);
    process.exitCode = 1;
  } else await run(first, flags.data);
} catch (error) {
  if (!(error instanceof AppError || (error instanceof TypeError && "code" in error))) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

/** Names the best result. Throws where one of them was measured on test data. */
async function select(paths: readonly string[]): Promise<void> {
  const candidates = [];
  for (const name of paths) {
    const { split, seen } = await readJsonFile(name, Result);
    candidates.push({ name, split, score: (seen.specialized ?? seen.prompted)?.accuracy ?? Number.NaN });
  }
  const { name, score } = selectBest(candidates);
  console.log(`${name}: ${percent(score)} %`);
}

async function run(out: string, flags: Flags): Promise<void> {
  const { split, seeds: seedList, data, only } = flags;
  if (split === "test" && existsSync(out))
    throw new AppError(
      "E_USAGE",
      `${out} is there already: a result on test data is measured once. Choose on --split validation, or name another file`,
    );
  const seeds = seedList.split(",").map(Number);
  const methods = parseMethods((flags.methods ?? defaultMethods(flags)).split(","));
  const pattern = new RegExp(only);
  const tasks = (await loadAssistantTasks(data)).filter(({ name }) => pattern.test(name));
  const interrupt = onInterrupt();
  await using evaluated = await openSubject(flags);
  const from = performance.now();
  const reports = { seen: [] as EvalReport[], unseen: [] as EvalReport[] };
  try {
    for (const seed of seeds)
      for (const group of ["seen", "unseen"] as const) {
        const members = tasks.filter(({ seen }) => seen === (group === "seen"));
        if (members.length === 0) continue;
        const timedQueries = seed === seeds[0] ? flags.timed : 0;
        const options = { methods, seed, timedQueries, threads: flags.threads, signal: interrupt.signal };
        const label = `${group}, seed ${seed}`;
        reports[group].push(await evaluateGroup(evaluated.subject, members, flags, label, options));
      }
  } finally {
    interrupt.close();
  }
  const result = {
    format: "assistant evaluation 1",
    version,
    subject: evaluated.identity,
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, threads: flags.threads },
    seconds: Math.round((performance.now() - from) / 1000),
    ...{ split, seeds, samples: flags.samples, prompt: flags.prompt, choices: flags.choices, methods },
    ...summarizeGroups(tasks, reports),
  };
  await mkdir(dirname(out), { recursive: true });
  await writeJsonFile(out, result);
  console.log(describe(result));
  console.log(`\n${out}, ${result.seconds} s`);
}

function defaultMethods({ edge }: Flags): string {
  const promptings = "base,prompted,prompted-5shot";
  return edge === undefined ? `${promptings},specialized,wrong-prompt` : promptings;
}

async function openSubject({ pair: directory, edge, tokenizer, threads }: Flags) {
  if (edge !== undefined) {
    const model = await openModel(edge);
    const subject: Subject = { model, tokenizer: await loadTokenizer(tokenizer), layout: SPECIAL_TOKEN_LAYOUT };
    return { subject, identity: { edge: model.sha256 }, [Symbol.asyncDispose]: async () => undefined };
  }
  const pair = await loadPair(directory);
  const subject = pairSubject(pair, { threads });
  const identity = {
    pair: pair.name,
    cloud: pair.cloud.sha256,
    edge: pair.edge.sha256,
    generator: pair.generator.sha256,
    ...quantizedParts(pair),
  };
  return { subject, identity, [Symbol.asyncDispose]: () => subject[Symbol.asyncDispose]() };
}

/** How the pair's models are quantised, where they are: their hashes are those of the models they were made from. */
function quantizedParts({ cloud, edge }: Pair): Record<string, string> {
  const named = { cloudQuantization: cloud.quantization, edgeQuantization: edge.quantization };
  return Object.fromEntries(
    Object.entries(named).flatMap(([key, value]) => (value === undefined ? [] : [[key, quantizationName(value)]])),
  );
}

async function evaluateGroup(
  subject: Subject,
  tasks: readonly TaskFamily[],
  { split, samples, prompt, choices: withChoices }: Flags,
  label: string,
  options: Parameters<typeof evaluate>[2] & { seed: number },
): Promise<EvalReport> {
  const files = tasks.map((task) => toTaskFile(task, { split, samples, seed: options.seed, prompt, withChoices }));
  const total = options.methods.length * files.reduce((sum, file) => sum + file.samples.length, 0);
  const { stderr: stream } = process;
  const progress = createProgress({ stream, isTerminal: stream.isTTY, total, label, now: () => performance.now() });
  try {
    return await evaluate(subject, files, {
      ...options,
      onProgress: ({ done, task, method }) => progress.update(done, { task, method }),
    });
  } finally {
    progress.finish();
  }
}

type Cells = Partial<Record<MethodName, SeedCell>>;
type Groups = {
  seen: Cells;
  unseen: Cells;
  /** Seen tasks by kind. */
  kinds: Record<string, Cells>;
  families: Partial<Record<Family, Cells>>;
  tasks: Record<string, Cells>;
  bars: ReturnType<typeof heldAgainstBars>;
  comparisons: Record<string, ReturnType<typeof differencesOverSeeds>>;
};

function summarizeGroups(
  tasks: readonly TaskFamily[],
  reports: { readonly seen: readonly EvalReport[]; readonly unseen: readonly EvalReport[] },
): Groups {
  const seen = tasks.filter((task) => task.seen);
  const unseen = tasks.filter((task) => !task.seen);
  const cells = (members: readonly TaskFamily[]): Cells =>
    members.length === 0
      ? {}
      : overSeeds(
          members[0]!.seen ? reports.seen : reports.unseen,
          members.map(({ name }) => name),
        );
  const named = (groups: readonly (readonly [string, readonly TaskFamily[]])[]): Record<string, Cells> =>
    Object.fromEntries(
      groups.filter(([, members]) => members.length > 0).map(([name, members]) => [name, cells(members)]),
    );
  const kinds = [...new Set(seen.map(({ kind }) => kind))];
  const groups = {
    seen: cells(seen),
    unseen: cells(unseen),
    kinds: named(kinds.map((kind) => [kind, seen.filter((task) => task.kind === kind)])),
    families: named(
      Object.entries(families).map(([name, { pattern }]) => [name, seen.filter((task) => pattern.test(task.name))]),
    ),
    tasks: named(tasks.map((task) => [task.name, [task]])),
  };
  const comparisons = Object.fromEntries(
    Object.entries(reports).flatMap(([group, list]) =>
      list.length === 0 ? [] : [[group, differencesOverSeeds(list)]],
    ),
  );
  return { ...groups, comparisons, bars: heldAgainstBars(groups) };
}

function describe({
  seen,
  unseen,
  kinds,
  families: byFamily,
  tasks,
  comparisons,
  bars,
  methods,
}: Groups & { methods: readonly MethodName[] }): string {
  const row = (name: string, cells: Cells) => [
    name,
    String(cells[methods[0]!]?.n ?? 0),
    ...methods.map((method) => {
      const cell = cells[method];
      return cell === undefined ? "–" : percent(cell.accuracy, cell.stderr ?? undefined);
    }),
  ];
  const rows = (groups: Record<string, Cells>) => Object.entries(groups).map(([name, cells]) => row(name, cells));
  const accuracies = markdownTable(
    ["accuracy, %: mean ± standard error over seeds", "n", ...methods],
    [
      ...rows(tasks),
      ...rows(kinds),
      ...rows(byFamily as Record<string, Cells>),
      row("**seen**", seen),
      row("**unseen**", unseen),
    ],
  );
  const costs = markdownTable(
    ["per query on the seen tasks", "tokens read", "ms"],
    methods.map((method) => {
      const cell = seen[method];
      return [method, cell?.inputTokens.toFixed(1) ?? "–", cell?.msPerQuery?.toFixed(2) ?? "–"];
    }),
  );
  const differences = markdownTable(
    ["difference, points", "mean over seeds"],
    Object.entries(comparisons).flatMap(([group, list]) =>
      Object.entries(list).map(([name, { difference, stderr }]) => [
        `${group}: ${name.replace("-vs-", " − ")}`,
        `${points(difference)}${stderr === null ? "" : ` ± ${(100 * stderr).toFixed(1)}`}`,
      ]),
    ),
  );
  const reached = markdownTable(
    ["bar", "wanted", "found", "met"],
    bars.map(({ name, wanted, found, met }) => [name, percent(wanted), percent(found), met ? "yes" : "no"]),
  );
  return [accuracies, costs, differences, reached].join("\n\n");
}
