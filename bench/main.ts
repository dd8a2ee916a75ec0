/** @file `npm run bench -- NAME [--json] [--save]`: measures the engine against the machine's limits and against a peer. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { AppError } from "../src/base/errors.ts";
import { writeJsonFile } from "../src/base/json-file.ts";
import type { Bench, BenchOptions, BenchResult } from "./support/bench.ts";
import { changedMark, describeMachine, projectRoot } from "./support/machine.ts";

/** What the help says of each, and how it is loaded: the help alone loads none. */
const benches: Readonly<Record<string, { readonly summary: string; readonly load: () => Promise<Bench> }>> = {
  "train-30m": {
    summary: "a step over 30 M weights, all trained, 8×256 tokens: forward, backward, clipping, AdamW",
    load: async () => (await import("./train-30m.ts")).train30m,
  },
  "train-1b": {
    summary: "a step of 8 experts of rank 16 over a frozen 1.1 B model, 4×128 tokens, fp32 and int8 weights",
    load: async () => (await import("./train-1b.ts")).train1b,
  },
  "train-smollm2": {
    summary: "a generator's step over SmolLM2-135M as cloud and edge, by part; --threads 1: in processor time",
    load: async () => (await import("./train-smollm2.ts")).trainSmollm2,
  },
  specialize: {
    summary: "a specialisation's time over a plain forward pass of the cloud model on the same tokens",
    load: async () => (await import("./specialize.ts")).specialize,
  },
  edge: {
    summary: "merged against base model, per token; specialised against prompted with five examples, per query",
    load: async () => (await import("./edge.ts")).edge,
  },
  browser: {
    summary: "tokens per second in a page on WebAssembly over those in Node; swapping specialisations there",
    load: async () => (await import("./browser.ts")).browser,
  },
  swap: {
    summary: "gate file to ready edge model of 1.1 B fp32: merged anew, and swapped into a decoder that is open",
    load: async () => (await import("./swap.ts")).swap,
  },
  published: {
    summary: "a published GGUF file (--file, else SmolLM2-135M) beside llama.cpp (--peer) and beside fp32",
    load: async () => (await import("./published.ts")).published,
  },
  constraint: {
    summary: "finding and masking the allowed tokens, as a share of the time of constrained answers",
    load: async () => (await import("./constraint.ts")).constraint,
  },
  "find-constraint": {
    summary: "closed sets of answers found in prompts by other hands, and others found there; reads --data",
    load: async () => (await import("./find-constraint.ts")).findConstraints,
  },
  "long-context": {
    summary: "sequences of 1,024 to 8,192 positions: memory, prefill and decoding with windows of 512 and without",
    load: async () => (await import("./long-context.ts")).longContext,
  },
  serve: {
    summary: "the service: 64 connections, 200 specialisations; answers as alone, throughput beside merged weights",
    load: async () => (await import("./serve.ts")).serve,
  },
  "serve-prompts": {
    summary:
      "200 prompts as specialisations of one service, beside llama.cpp's server that reads them; compiles it first",
    load: async () => (await import("./serve-prompts.ts")).servePrompts,
  },
  ladder: {
    summary:
      "certificates of 20 prompts held against 500 unseen inputs, and the leak check; hours, goes on where it stopped",
    load: async () => (await import("./ladder.ts")).ladder,
  },
};

const help = `npm run bench -- NAME [options]

${Object.entries(benches)
  .map(([name, { summary }]) => `  ${name.padEnd(17)}${summary}`)
  .join("\n")}
  all            one after the other, but for published, which needs a file, find-constraint, which needs data sets,
                 serve-prompts, which compiles its peer, and ladder, which takes hours
  real-size      published shapes at full size; rows of bench/results/real-size.json that are missing (not part of all)

  --json             one JSON object on standard output
  --save             also writes bench/results/NAME.json, of a commit only
  --peer             also runs PyTorch (train-30m, train-1b, real-size) and llama.cpp (real-size), in turn with ours; installs them first where they are missing
  --peer-compiled    the same through torch.compile
  --pair DIR         the pair that specialize, edge, browser and constraint use (default: pairs/smollm2)
  --file FILE        of published: the GGUF file (default: that of pairs/smollm2)
  --each N           of ladder: prompts of either kind (default 10); --inputs N of a certificate (200), --refine N beside
                     them (40), --unseen N (500), --planted N prompts with canaries (600)
  --data DIR         of ladder and find-constraint: the folder of data sets (default: ../shared/data)
  --repetitions N    measured rounds (default 5), after --warm-up N rounds (default 2)
  --threads N        threads of one operator (default: one per core)
  --model NAME       of real-size: only this shape; may be repeated
  --measurement NAME of real-size: only this kind ("run int4"); may be repeated
  --table            of real-size: prints what was measured so far as Markdown, measures nothing
  --keep             of real-size: leaves generated weights in work/real-size
  --quick            tiny sizes: shows that everything runs, measures nothing
`;

/** Not part of `all`. */
const isApart: ReadonlySet<string> = new Set(["published", "find-constraint", "serve-prompts", "ladder"]);

/** Sizes of `ladder`, and the least of each. */
const ladderSizes = { each: 1, inputs: 20, refine: 0, unseen: 1, planted: 40 } as const;

const flags = {
  json: { type: "boolean", default: false },
  save: { type: "boolean", default: false },
  peer: { type: "boolean", default: false },
  "peer-compiled": { type: "boolean", default: false },
  quick: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
  pair: { type: "string" },
  file: { type: "string" },
  model: { type: "string", multiple: true, default: [] as string[] },
  measurement: { type: "string", multiple: true, default: [] as string[] },
  table: { type: "boolean", default: false },
  keep: { type: "boolean", default: false },
  each: { type: "string" },
  inputs: { type: "string" },
  refine: { type: "string" },
  unseen: { type: "string" },
  planted: { type: "string" },
  data: { type: "string" },
  repetitions: { type: "string", default: "5" },
  "warm-up": { type: "string", default: "2" },
  threads: { type: "string", default: String(availableParallelism()) },
} as const;

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: flags, allowPositionals: true });
  } catch (error) {
    throw new AppError("E_USAGE", `${(error as Error).message}\n\n${help}`);
  }
}

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least)
    throw new AppError("E_USAGE", `--${name}: expected a whole number from ${least}, found ${text}`);
  return value;
}

const log = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

/** Six significant digits: more than any timing has. */
const short = (value: number): string => String(Number(value.toPrecision(6)));

function report(name: string, { medians, ratios, checks }: BenchResult): void {
  log(`\n${name}: medians`);
  for (const [what, value] of Object.entries(medians)) log(`  ${short(value).padStart(12)}  ${what}`);
  log(`${name}: ratios`);
  for (const [what, value] of Object.entries(ratios)) log(`  ${short(value).padStart(12)}  ${what}`);
  for (const { what, value, relation, limit, met } of checks)
    log(`${met ? "met    " : "NOT MET"} ${what}: ${short(value)} (${relation} ${short(limit)})`);
}

async function main(argv: readonly string[]): Promise<void> {
  const { values, positionals } = parse(argv);
  if (values.help) return void process.stdout.write(help);
  const [wanted, ...more] = positionals;
  const names = wanted === "all" ? Object.keys(benches).filter((name) => !isApart.has(name)) : [wanted ?? ""];
  if (more.length > 0 || (wanted !== "real-size" && names.some((name) => benches[name] === undefined)))
    throw new AppError(
      "E_USAGE",
      `expected one of ${[...Object.keys(benches), "real-size", "all"].join(", ")}, found "${positionals.join(" ")}"\n\n${help}`,
    );
  if (values.save && values.quick)
    throw new AppError("E_USAGE", "--save: the sizes of --quick measure nothing worth saving");
  if (values.save && describeMachine().commit.endsWith(changedMark))
    throw new AppError("E_USAGE", "--save: expected the code of a commit, found changes in src or bench");
  const options: BenchOptions = {
    quick: values.quick,
    peer: values["peer-compiled"] ? "compiled" : values.peer ? "eager" : "none",
    pair: values.pair,
    file: values.file,
    data: values.data,
    ladder: Object.fromEntries(
      Object.entries(ladderSizes).flatMap(([name, least]) => {
        const text = values[name as keyof typeof ladderSizes];
        return text === undefined ? [] : [[name, wholeNumber(name, text, least)]];
      }),
    ),
    repetitions: wholeNumber("repetitions", values.repetitions, 1),
    warmUp: wholeNumber("warm-up", values["warm-up"], 0),
    threads: wholeNumber("threads", values.threads, 1),
    log,
  };
  if (wanted === "real-size") {
    const { realSize, realSizeTable } = await import("./real-size.ts");
    if (!values.table)
      await realSize({ ...options, models: values.model, measurements: values.measurement, keep: values.keep });
    process.stdout.write(await realSizeTable(options));
    return;
  }
  const results: Record<string, unknown> = {};
  for (const name of names) {
    const machine = describeMachine();
    const { run } = await benches[name]!.load();
    const result = await run(options);
    const { repetitions, warmUp, threads } = options;
    const whole = {
      name,
      machine,
      ...result,
      configuration: { repetitions, warmUp, threads, ...result.configuration },
    };
    report(name, result);
    if (values.save) await writeJsonFile(join(projectRoot, "bench/results", `${name}.json`), whole);
    results[name] = whole;
  }
  if (values.json) process.stdout.write(`${JSON.stringify(wanted === "all" ? results : results[wanted!])}\n`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  log(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
