/** @file All published tasks by name, and how they become tasks of an evaluation: which items, and which examples in front. */
import { AppError } from "../../base/errors.ts";
import { createRng } from "../../base/rng.ts";
import { type EvalSample, EvalTask } from "../../data/eval-task.ts";
import { arcChallenge, arcEasy } from "./arc.ts";
import { type Benchmark, FORMS, type Form, type FormOf } from "./benchmark.ts";
import { boolQ } from "./boolq.ts";
import { hellaSwag } from "./hellaswag.ts";
import { openBookQa } from "./openbookqa.ts";
import { piqa } from "./piqa.ts";
import { readSplit, type Split } from "./rows.ts";
import { socialIqa } from "./social-iqa.ts";
import { winoGrande } from "./winogrande.ts";

/** In the order of the paper's tables. */
export const benchmarks = {
  "arc-c": arcChallenge,
  "arc-e": arcEasy,
  openbookqa: openBookQa,
  boolq: boolQ,
  "social-iqa": socialIqa,
  hellaswag: hellaSwag,
  winogrande: winoGrande,
  piqa,
} as const satisfies Record<string, Benchmark>;

export type BenchmarkName = keyof typeof benchmarks;
export const BENCHMARKS = Object.keys(benchmarks) as BenchmarkName[];

/** Several at once. */
const groups: Readonly<Record<string, readonly BenchmarkName[]>> = { reasoning: BENCHMARKS };

/** One task in one form. */
export type Suite = { readonly benchmark: BenchmarkName; readonly form: Form };

const suitesOf = (name: BenchmarkName): Suite[] =>
  FORMS.filter((form) => formOf(benchmarks[name], form) !== undefined).map((form) => ({ benchmark: name, form }));

/** The task's plain name for its first form. */
const suiteName = ({ benchmark, form }: Suite): string =>
  form === suitesOf(benchmark)[0]!.form ? benchmark : `${benchmark}-${form}`;

const formOf = (one: Benchmark, form: Form): FormOf<never> | undefined => one.forms[form];

/** Suites by name: `arc-c`, `arc-c-letters`, `reasoning`, `reasoning-letters`. */
export const suites: ReadonlyMap<string, readonly Suite[]> = new Map([...named(), ...grouped()]);

function* named(): Generator<[string, Suite[]]> {
  for (const name of BENCHMARKS) for (const suite of suitesOf(name)) yield [suiteName(suite), [suite]];
}

function* grouped(): Generator<[string, Suite[]]> {
  for (const [group, members] of Object.entries(groups))
    for (const form of FORMS) {
      const found = members.flatMap((name) => suitesOf(name).filter((suite) => suite.form === form));
      if (found.length > 0) yield [form === suitesOf(members[0]!)[0]!.form ? group : `${group}-${form}`, found];
    }
}

export type BenchmarkOptions = {
  /** Folder of data sets. */
  readonly data: string;
  /** At most so many items of each task, always the same ones: fewer are the first of more. */
  readonly items?: number;
  /** One task for each, which draws the examples; the items stay. */
  readonly seeds?: readonly number[];
  readonly split?: Exclude<Split, "train">;
};

/** Items of each task where nothing is said. */
export const defaultItems = 500;
/** Examples that are drawn: `prompted-5shot` takes the first five. */
const drawnExamples = 20;

/** The tasks of suites, one for each seed. Throws as `readSplit`, and E_DATA where no row can be asked. */
export async function benchmarkTasks(wanted: readonly Suite[], options: BenchmarkOptions): Promise<EvalTask[]> {
  const tasks: EvalTask[] = [];
  for (const suite of wanted) tasks.push(...(await tasksOf(suite, options)));
  return tasks;
}

async function tasksOf(
  suite: Suite,
  { data, items = defaultItems, seeds = [1], split = "test" }: BenchmarkOptions,
): Promise<EvalTask[]> {
  const { benchmark: base } = suite;
  const one: Benchmark = benchmarks[base];
  const name = suiteName(suite);
  const form = formOf(one, suite.form)!;
  const isSeen = one.files.train !== undefined;
  const samplesOf = (rows: readonly unknown[]) => rows.flatMap((row) => form.sampleOf(row as never) ?? []);
  const drawn = createRng(`items of ${base} ${split}`).shuffle(await readSplit(base, one, split, data));
  const samples = samplesOf(drawn).slice(0, items);
  if (samples.length === 0) throw new AppError("E_DATA", `${name}: expected rows that can be asked, found none`);
  // Rows that are asked must not stand in front as examples: of an unseen task there are none to validate by beside them.
  const shown = samplesOf(await readSplit(base, one, isSeen ? "train" : "validation", data));
  return seeds.map((seed) =>
    EvalTask.parse({
      name,
      seed,
      stratum: [isSeen ? "seen" : "unseen", ...(name === base ? [] : [suite.form])].join(", "),
      kind: "reasoning",
      systemPrompt: form.systemPrompt,
      examples: split === "validation" && !isSeen ? [] : drawExamples(shown, `examples of ${base} ${seed}`),
      ...(form.layout === undefined ? {} : { layout: form.layout }),
      scorers: [...form.scorers],
      ...(form.maxTokens === undefined ? {} : { maxTokens: form.maxTokens }),
      citation: one.citation,
      version: one.version,
      samples,
    }),
  );
}

const drawExamples = (from: readonly EvalSample[], label: string): { input: string; target: string }[] =>
  createRng(label)
    .shuffle([...from])
    .slice(0, drawnExamples)
    .map(({ input, target }) => ({ input, target }));
