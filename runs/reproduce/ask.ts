/** @file Asking published tasks for a page: the log goes on where it ended, and a row is a method's accuracy on each task. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../../src/base/errors.ts";
import { groupBy } from "../../src/base/group-by.ts";
import type { EvalTask } from "../../src/data/eval-task.ts";
import type { LogLine } from "../../src/eval/log.ts";
import { openLog } from "../../src/eval/log-file.ts";
import { summarize } from "../../src/eval/report.ts";
import { runEval } from "../../src/eval/run-eval.ts";
import { harmonicMean, itemsOf, mean, standardErrorOf } from "../../src/eval/statistics.ts";
import { benchmarkTasks, type Suite, suites } from "../../src/eval/tasks/suites.ts";
import { shotsPrompt } from "../../src/methods/shots.ts";
import { parseMethods } from "../../src/methods/table.ts";
import { number, signed, table } from "./markdown.ts";
import type { Budget, Context } from "./row.ts";

export type Question = Asked & {
  readonly suites: readonly string[];
  readonly items: Readonly<Record<Budget, number>>;
  readonly seeds?: readonly number[];
  /** Which rows are asked: those that tables report, by default. */
  readonly split?: "test" | "validation";
};

/** Logs of which some have the same questions of the same models: what one of them has, none of its row asks again. */
const sharing: readonly (readonly string[])[] = [
  ["table1", "table2", "table6", "fewshot-sd", "fig1", "rv-6", "baselines", "ablation"],
  ["table2-compressed", "s0-table20", "fig1-compressed-5"], // five examples, compressed
];

/** How tasks are asked. */
export type Asked = {
  /** The page's id, which names its log. */
  readonly id: string;
  /** Of the edge model, and of a pair where there is one. */
  readonly methods: readonly string[];
  readonly pairMethods?: readonly string[];
  /** Of the suites' tasks only these. */
  readonly only?: RegExp;
  /** So many first questions of each task and method are asked once more, alone, to be timed. */
  readonly timed?: number;
  /** Whether tasks get prompts of controls from each other, on by default. */
  readonly controls?: boolean;
  /** Whether all weights are held in fp32. */
  readonly exact?: boolean;
};

/** All answers, those of earlier runs among them. Throws as `runEval` and `benchmarkTasks`. */
export async function ask(
  { suites: names, items, seeds = [1], split = "test", ...how }: Question,
  context: Context,
): Promise<LogLine[]> {
  const { budget, data } = context;
  const named = names.flatMap((name): readonly Suite[] => suites.get(name)!);
  const tasks = await benchmarkTasks(named, { data, items: items[budget], seeds, split });
  // Without controls a task is the same on every page, whatever stands beside it there.
  const controls = [...how.methods, ...context.methods].some((name) => /^(sibling|far)-prompt$/.test(name));
  return askTasks(tasks, { controls, ...how }, context);
}

/** Tasks with so many examples as their prompt: what one method reads whole, others shorten or compress. */
export async function toldByExamples(
  names: readonly string[],
  shots: number,
  items: number,
  { data }: Pick<Context, "data">,
): Promise<EvalTask[]> {
  const named = names.flatMap((name): readonly Suite[] => suites.get(name)!);
  const tasks = await benchmarkTasks(named, { data, items });
  return tasks.map((task) => ({ ...task, systemPrompt: shotsPrompt(task, shots) }));
}

/** The logs that may have answers for one. A generator of its own has a log of its own for each page: "table2-as-configured-400-1". */
export const sharedWith = (id: string): string[] =>
  sharing.flatMap((pages) => {
    const page = pages.find((one) => id === one || id.startsWith(`${one}-`));
    if (page === undefined) return [];
    return pages.filter((other) => other !== page).map((other) => `${other}${id.slice(page.length)}`);
  });

/** What other logs hold. One that another process writes to is left alone: its questions are asked again. */
async function linesOfOthers(id: string, work: string): Promise<LogLine[]> {
  const found: LogLine[] = [];
  for (const other of sharedWith(id)) {
    const path = join(work, `${other}.jsonl`);
    if (!existsSync(path)) continue;
    await using log = await openLog(path).catch((error: unknown) => {
      if (error instanceof AppError && error.code === "E_IO") return undefined;
      throw error;
    });
    found.push(...(log?.lines ?? []));
  }
  return found;
}

/** The same of tasks that a page makes of its own. Throws as `runEval`. */
export async function askTasks(
  tasks: readonly EvalTask[],
  { id, methods, pairMethods = [], only, timed = 0, exact = false, controls = true }: Asked,
  { work, model, pair, methods: more, signal, tell }: Context,
): Promise<LogLine[]> {
  await mkdir(work, { recursive: true });
  const log = join(work, `${id}.jsonl`);
  const all = [...methods, ...(pair === undefined ? [] : pairMethods), ...more];
  await runEval({
    ...(pair === undefined ? { modelPath: model } : { pairDirectory: pair }),
    taskFiles: [],
    tasks,
    log,
    methods: all,
    timedQueries: timed,
    exact,
    only,
    controls,
    others: await linesOfOthers(id, work),
    ...(signal === undefined ? {} : { signal }),
    onProgress: ({ done, total, task, method }) => tell(`${id}: ${done} of ${total} questions (${task}, ${method})`),
  });
  await using lines = await openLog(log);
  return ofTasks(
    lines.lines,
    tasks,
    parseMethods(all).map(({ name }) => name),
  );
}

/** Task by task, method by method, in whatever order they came to be known. A log may hold more: of a larger budget, say. */
function ofTasks(lines: readonly LogLine[], tasks: readonly EvalTask[], methods: readonly string[]): LogLine[] {
  const sizes = new Map(tasks.map(({ name, seed, samples }) => [`${name} ${seed}`, samples.length]));
  const placeOf = ({ task, seed, method, sample }: LogLine): readonly number[] => {
    const at = methods.indexOf(method);
    return [tasks.findIndex((one) => one.name === task && one.seed === seed), at < 0 ? methods.length : at, sample];
  };
  return lines
    .filter(({ task, seed, sample }) => sample < (sizes.get(`${task} ${seed}`) ?? 0))
    .map((line) => ({ line, place: placeOf(line) }))
    .sort((a, b) => a.place.reduce((found, at, i) => found || at - b.place[i]!, 0))
    .map(({ line }) => line);
}

export type Accuracy = { readonly method: string; readonly tasks: readonly TaskAccuracy[] };

type TaskAccuracy = {
  readonly task: string;
  /** Different items: an item that was asked with several seeds counts once. */
  readonly n: number;
  readonly share: number;
  /** Standard error over items, or over what several of them have in common. */
  readonly error: number;
};

const scoreOf = ({ scores, scorer }: LogLine): number => scores[scorer]!.score;

/** Of each method, over all seeds, in the tasks' order. Questions with one `subjectOf` are no independent draws. */
export function accuracies(
  lines: readonly LogLine[],
  subjectOf: (line: LogLine) => string = ({ input }) => input,
): Accuracy[] {
  return [...groupBy(lines, ({ method }) => method)].map(([method, own]) => ({
    method,
    tasks: [...groupBy(own, ({ task }) => task)].map(([task, members]) => {
      const n = itemsOf(members.map(({ input }) => input)).length;
      const [scores, subjects] = [members.map(scoreOf), itemsOf(members.map(subjectOf))];
      return { task, n, share: mean(scores), error: standardErrorOf(scores, subjects) };
    }),
  }));
}

/** As many as reviewers asked for. */
const resamples = 10_000;

/**
 * Every method against one, paired by question, tasks drawn too; p by flipping the signs of tasks, corrected by Holm. Empty for one method, and
 * where the one was not asked.
 */
export function differenceTable(lines: readonly LogLine[], against: string): string[] {
  if (!lines.some(({ method }) => method === against)) return [];
  const { strata } = summarize(
    lines.map((line) => ({ ...line, stratum: "all" })),
    { against, resamples },
  );
  const rows = strata["all"]!.comparisons.map(({ method, difference, low, high, p, holm }) => [
    `${method} − ${against}`,
    signed(100 * difference),
    `[${signed(100 * low)}, ${signed(100 * high)}]`,
    p.toPrecision(2),
    holm.toPrecision(2),
  ]);
  if (rows.length === 0) return [];
  return [
    `Differences of AVE in points, paired by question; 95 % intervals from ${resamples.toLocaleString("en")} resamples of tasks and of items within each; p by flipping signs of tasks, corrected for all rows by Holm.`,
    table(["difference", "points", "95 %", "p", "p, Holm"], rows),
  ];
}

/** The tasks of all methods, each once. */
export const tasksOf = (rows: readonly Accuracy[]): TaskAccuracy[] => [
  ...new Map(rows.flatMap(({ tasks }) => tasks.map((cell) => [cell.task, cell] as const))).values(),
];

/** What stands where a method was not asked a task. */
export const noCell = "–";

/** Percent with its standard error by task, AVE and HAR; these where the method was asked every task. */
export function accuracyTable(rows: readonly Accuracy[]): string {
  const tasks = tasksOf(rows);
  return table(
    ["method", ...tasks.map(({ task, n }) => `${task} (n ${n})`), "AVE", "HAR"],
    rows.map(({ method, tasks: own }) => {
      const cells = tasks.map(({ task }) => own.find((cell) => cell.task === task));
      const shown = cells.map((cell) =>
        cell === undefined ? noCell : `${number(100 * cell.share)} ± ${number(100 * cell.error)}`,
      );
      const shares = cells.flatMap((cell) => (cell === undefined ? [] : 100 * cell.share));
      const isWhole = shares.length === cells.length;
      const means = isWhole ? [number(mean(shares)), number(harmonicMean(shares))] : [noCell, noCell];
      return [method, ...shown, ...means];
    }),
  );
}

/**
 * Of each method the accuracy in percent with each draw's examples, then their mean and the standard deviation of the shares over draws; these
 * where the method was asked with every draw.
 */
export function drawsTable(lines: readonly LogLine[], seeds: readonly number[]): string {
  const rows = [...groupBy(lines, ({ method }) => method)].map(([method, own]) => {
    const byDraw = groupBy(own, ({ seed }) => seed);
    const draws = seeds.map((seed) => byDraw.get(seed)?.map(scoreOf));
    const cells = draws.map((scores) => (scores === undefined ? noCell : number(100 * mean(scores))));
    const shares = draws.flatMap((scores) => (scores === undefined ? [] : [mean(scores)]));
    if (shares.length < seeds.length) return [method, ...cells, noCell, noCell];
    const average = mean(shares);
    const deviation = Math.sqrt(shares.reduce((sum, share) => sum + (share - average) ** 2, 0) / (shares.length - 1));
    return [method, ...cells, number(100 * average), number(deviation, 4)];
  });
  return table(["method", ...seeds.map((seed) => `draw ${seed}`), "mean", "deviation"], rows);
}
