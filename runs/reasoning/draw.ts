/** @file Draws prompts and questions of the paper's seen tasks, in the words in which an evaluation asks them. */
import type { Rng } from "../../src/base/rng.ts";
import type { Episode } from "../../src/data/episode.ts";
import { textShots } from "../../src/data/text-question.ts";
import type { Benchmark, FormOf } from "../../src/eval/tasks/benchmark.ts";
import { readSplit, type Split } from "../../src/eval/tasks/rows.ts";
import { type BenchmarkName, benchmarks } from "../../src/eval/tasks/table.ts";
import type { Example } from "../../src/text/prompt.ts";

/** Those that the paper trains on, but for Social IQa, which is only asked here. */
export const SEEN = ["arc-c", "arc-e", "openbookqa", "boolq"] as const satisfies readonly BenchmarkName[];
export type SeenTask = (typeof SEEN)[number];

/** Characters: longer questions are left out, not cut. All examples of a prompt have so many together. */
export const longest = { question: 400, prompt: 1200 } as const;

/** Examples of a prompt: the paper has "multi-shot training data", and asks with one to five. */
export const mostShots = 5;

/** A task's solved questions: those to learn from, and a tenth to choose by. */
export type TaskRows = { readonly train: readonly Example[]; readonly validation: readonly Example[] };
export type SeenRows = { readonly [T in SeenTask]: TaskRows };

const textOf = (example: Example): string => textShots("text", [example]);

/**
 * Rows of the seen tasks that are short enough. Data sets have some questions twice, with other answers to choose from: none that a test asks
 * is among them, and none to choose by is learnt from. Throws E_NOT_FOUND where data is missing.
 */
export async function readSeen(data: string): Promise<SeenRows> {
  const rowsOf = async (name: SeenTask, split: Split): Promise<Example[]> => {
    const one: Benchmark = benchmarks[name];
    const { sampleOf } = one.forms.continuation as FormOf<unknown>;
    return (await readSplit(name, one, split, data)).flatMap((row) => sampleOf(row) ?? []);
  };
  const all = async (split: Split): Promise<Example[]> =>
    (await Promise.all(SEEN.map((name) => rowsOf(name, split)))).flat();
  const tested = new Set((await all("test")).map(questionOf));
  const chosenBy = new Set((await all("validation")).map(questionOf));
  const kept = (rows: readonly Example[], isKept: (question: string) => boolean): Example[] =>
    rows.flatMap(({ input, target }) =>
      isKept(questionOf({ input })) && textOf({ input, target }).length <= longest.question ? [{ input, target }] : [],
    );
  const found: Partial<Record<SeenTask, TaskRows>> = {};
  for (const name of SEEN)
    found[name] = {
      train: kept(await rowsOf(name, "train"), (question) => !tested.has(question) && !chosenBy.has(question)),
      validation: kept(await rowsOf(name, "validation"), (question) => !tested.has(question)),
    };
  return found as SeenRows;
}

/** Its words alone. */
const questionOf = ({ input }: Pick<Example, "input">): string =>
  input
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();

export type Drawing = {
  readonly tasks: readonly SeenTask[];
  readonly split: "train" | "validation";
  readonly prompts: number;
  /** Of each prompt. */
  readonly questions: number;
};

/** Prompts of one to five examples without a description, each with other questions of its task. Tasks take turns in a drawn order. */
export function drawEpisodes(rows: SeenRows, rng: Rng, { tasks, split, prompts, questions }: Drawing): Episode[] {
  const episodes: Episode[] = [];
  while (episodes.length < prompts)
    for (const task of rng.shuffle([...tasks]).slice(0, prompts - episodes.length))
      episodes.push(drawEpisode(rows[task], rng, { task, split, questions }));
  return episodes;
}

function drawEpisode(
  rows: TaskRows,
  rng: Rng,
  { task, split, questions }: Pick<Drawing, "split" | "questions"> & { readonly task: SeenTask },
): Episode {
  const shots = 1 + rng.int(mostShots);
  const short = rows.train.filter((example) => textOf(example).length <= longest.prompt / shots);
  const examples = distinct(short, rng, shots, []);
  const queries = distinct(rows[split], rng, questions, examples);
  return { family: task, prompt: textShots("text", examples), queries };
}

/** So many different rows, none of those already used. */
function distinct(rows: readonly Example[], rng: Rng, count: number, used: readonly Example[]): Example[] {
  const inputs = new Set(used.map(({ input }) => input));
  const drawn: Example[] = [];
  for (let tries = 0; drawn.length < Math.min(count, rows.length) && tries < 50 * count; tries++) {
    const row = rng.pick(rows);
    if (inputs.has(row.input)) continue;
    inputs.add(row.input);
    drawn.push(row);
  }
  return drawn;
}
