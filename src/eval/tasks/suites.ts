/** @file Published tasks as tasks of an evaluation: which form, which items, and which examples in front. */
import { AppError } from "../../base/errors.ts";
import { groupBy } from "../../base/group-by.ts";
import { sha256 } from "../../base/hash.ts";
import { createRng } from "../../base/rng.ts";
import { EvalTask } from "../../data/eval-task.ts";
import { type Benchmark, FORMS, type Form, type FormOf } from "./benchmark.ts";
import { readSplit, type Split } from "./rows.ts";
import { BENCHMARKS, type BenchmarkName, benchmarks } from "./table.ts";

/** Several at once. */
const groups: Readonly<Record<string, readonly BenchmarkName[]>> = {
  reasoning: BENCHMARKS.filter((name) => benchmarks[name].kind === "reasoning"),
};

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

/** Rows of a suite as they lie in its files. */
export type DrawnRows = {
  /** Those that are asked, in the order of a task's samples. */
  readonly asked: readonly unknown[];
  /** Those that are shown in front, in the order of a task's examples. */
  readonly shown: (seed: number) => readonly unknown[];
};

/** Which rows the tasks of a suite are made of. Throws as `benchmarkTasks`. */
export async function drawRows(
  suite: Suite,
  { data, items = defaultItems, split = "test" }: Omit<BenchmarkOptions, "seeds">,
): Promise<DrawnRows> {
  const { benchmark: base } = suite;
  const one: Benchmark = benchmarks[base];
  const { sampleOf, exampleOf = sampleOf } = formOf(one, suite.form) as FormOf<unknown>;
  const isSeen = one.files.train !== undefined;
  const drawn = createRng(`items of ${base} ${split}`).shuffle(await readSplit(base, one, split, data));
  const asked = drawn.filter((row) => sampleOf(row) !== undefined).slice(0, items);
  if (asked.length === 0)
    throw new AppError("E_DATA", `${suiteName(suite)}: expected rows that can be asked, found none`);
  // Rows that are asked must not stand in front as examples: beside those that an unseen task is validated by there are none.
  const rows =
    split === "validation" && !isSeen ? [] : await readSplit(base, one, isSeen ? "train" : "validation", data);
  const shown = rows.filter((row) => exampleOf(row) !== undefined);
  return {
    asked,
    shown: (seed) =>
      createRng(`examples of ${base} ${seed}`)
        .shuffle([...shown])
        .slice(0, drawnExamples),
  };
}

async function tasksOf(suite: Suite, { seeds = [1], ...options }: BenchmarkOptions): Promise<EvalTask[]> {
  const { benchmark: base } = suite;
  const one: Benchmark = benchmarks[base];
  const name = suiteName(suite);
  const form = formOf(one, suite.form)!;
  const stratum = one.stratum ?? (one.files.train === undefined ? "unseen" : "seen");
  const { systemPrompt, sampleOf, exampleOf = sampleOf } = form as FormOf<unknown>;
  const { asked, shown } = await drawRows(suite, options);
  const byPrompt =
    typeof systemPrompt === "string"
      ? [{ name, systemPrompt, rows: asked }]
      : [...groupBy(asked, systemPrompt)].map(([prompt, rows]) => ({
          name: `${name}-${sha256(prompt).slice(0, 8)}`,
          systemPrompt: prompt,
          rows,
        }));
  return seeds.flatMap((seed) => {
    const examples = shown(seed).map((row) => {
      const { input, target } = exampleOf(row)!;
      return { input, target };
    });
    return byPrompt.map(({ rows, ...named }) =>
      EvalTask.parse({
        ...named,
        seed,
        stratum: [stratum, ...(name === base ? [] : [suite.form])].join(", "),
        kind: one.kind,
        examples,
        ...(form.layout === undefined ? {} : { layout: form.layout }),
        scorers: [...form.scorers],
        ...(form.maxTokens === undefined ? {} : { maxTokens: form.maxTokens }),
        citation: one.citation,
        version: one.version,
        samples: rows.map((row) => sampleOf(row)),
      }),
    );
  });
}
