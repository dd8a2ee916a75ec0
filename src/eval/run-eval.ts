/** @file An evaluation: every method on every task, in one report. */
import { AppError } from "../base/errors.ts";
import { requireRunning } from "../base/interrupt.ts";
import { createRng } from "../base/rng.ts";
import { loadPair, type PairOptions } from "../pair/pair-file.ts";
import type { Device } from "../runtime/session.ts";
import { cachedTokenizer } from "../text/cached-tokenizer.ts";
import { type Asker, createAsker, encodeQueries } from "./ask.ts";
import { type MethodName, methods as methodTable, parseMethods, type Question } from "./methods.ts";
import { pairSubject, type Subject } from "./subject.ts";
import { type EvalReport, type Measured, summarize } from "./summarize.ts";
import { readTaskFiles, type TaskFile } from "./task-file.ts";

export type EvalProgress = {
  /** Queries answered, by all methods together. */
  readonly done: number;
  readonly total: number;
  readonly task: string;
  readonly method: MethodName;
};

export type EvalOptions = {
  readonly methods: readonly MethodName[];
  /** Leaves out methods that some task lacks something for, rather than throwing, as long as one is left. */
  readonly leaveOut?: boolean;
  /** Threads for one operator; 0: one per core. */
  readonly threads?: number;
  readonly device?: Device;
  /** Uses at most so many samples of each task, the first ones. */
  readonly limit?: number;
  /** Queries of each task and method that are asked once more, alone, to be timed. */
  readonly timedQueries?: number;
  /** Of the bootstrap. */
  readonly seed?: number;
  readonly onProgress?: (progress: EvalProgress) => void;
  readonly signal?: AbortSignal;
  /** A clock in milliseconds. */
  readonly now?: () => number;
};

/**
 * Evaluates a pair on task files.
 * @throws what `loadPair` and `readTaskFiles` throw; E_DATA or E_LIMIT naming the task that a method cannot be used on;
 * E_INTERRUPTED
 */
export async function runEval({
  pairDirectory,
  taskFiles,
  resolveModel,
  warn,
  ...options
}: EvalOptions &
  Pick<PairOptions, "resolveModel" | "warn"> & {
    readonly pairDirectory: string;
    readonly taskFiles: readonly string[];
  }): Promise<EvalReport> {
  const tasks = await readTaskFiles(taskFiles);
  const { threads = 0, device = "cpu" } = options;
  await using subject = pairSubject(await loadPair(pairDirectory, { resolveModel, warn }), { threads, device });
  return await evaluate(subject, tasks, options);
}

type Job = { readonly task: TaskFile; readonly method: MethodName; readonly question: Question };

/** Evaluates any subject on tasks of different names. All is checked before the first query is asked. */
export async function evaluate(
  evaluated: Subject,
  tasks: readonly TaskFile[],
  options: EvalOptions,
): Promise<EvalReport> {
  const { limit = Number.POSITIVE_INFINITY, seed = 1, onProgress, signal } = options;
  const subject = { ...evaluated, tokenizer: cachedTokenizer(evaluated.tokenizer) };
  const cut = tasks.map((task) => ({ ...task, samples: task.samples.slice(0, limit) }));
  const { jobs, leftOut } = plan(subject, cut, options);
  const total = jobs.reduce((sum, { task }) => sum + task.samples.length, 0);
  const measured: Measured[] = [];
  let done = 0;
  let plain: Promise<Asker> | undefined;
  try {
    for (const { task, method, question } of jobs) {
      requireRunning(signal, "evaluation: interrupted");
      const { specializeBy } = question;
      if (specializeBy === undefined) {
        plain ??= createAsker(subject, askerOptions(options));
        measured.push(await measure(await plain, subject, { task, method, question }, options));
      } else {
        const model = await named(task, method, () => subject.specialize!(specializeBy));
        const edge = { ...subject, model };
        await using asker = await createAsker(edge, askerOptions(options));
        measured.push(await measure(asker, subject, { task, method, question }, options));
      }
      done += task.samples.length;
      onProgress?.({ done, total, task: task.name, method });
    }
  } finally {
    await (await plain)?.[Symbol.asyncDispose]();
  }
  const report = summarize(measured, createRng(seed).split("bootstrap"));
  return Object.keys(leftOut).length === 0 ? report : { ...report, leftOut };
}

const askerOptions = ({ threads = 0, device = "cpu", now = () => performance.now() }: EvalOptions) => ({
  threads,
  device,
  now,
});

/** Every method of every task, checked: examples are there, a wrong prompt is found, each query fits the context. */
function plan(
  subject: Subject,
  tasks: readonly TaskFile[],
  { methods, leaveOut = false }: EvalOptions,
): { readonly jobs: readonly Job[]; readonly leftOut: NonNullable<EvalReport["leftOut"]> } {
  if (tasks.length === 0) throw new AppError("E_DATA", "evaluation: expected at least one task, found none");
  const planned: Job[][] = [];
  const refused: [MethodName, AppError][] = [];
  for (const method of parseMethods(methods)) {
    try {
      planned.push(tasks.map((task) => planOne(subject, task, tasks, method)));
    } catch (error) {
      if (!leaveOut || !isRefusal(error)) throw error;
      refused.push([method, error]);
    }
  }
  if (planned.length === 0) throw refused[0]![1];
  return {
    jobs: tasks.flatMap((_, i) => planned.map((jobs) => jobs[i]!)),
    leftOut: Object.fromEntries(refused.map(([method, { message }]) => [method, message])),
  };
}

/** Whether a method cannot be used on a task: its data lacks something, or a query is too long. */
const isRefusal = (error: unknown): error is AppError =>
  error instanceof AppError && (error.code === "E_DATA" || error.code === "E_LIMIT");

function planOne(subject: Subject, task: TaskFile, tasks: readonly TaskFile[], method: MethodName): Job {
  const question = methodTable[method].ask(task, tasks);
  if (question.specializeBy !== undefined && subject.specialize === undefined)
    throw new AppError("E_USAGE", `the method ${method} needs a pair with a generator, found an edge model alone`);
  try {
    encodeQueries(subject, task.samples, question.context);
  } catch (error) {
    throw withName(error, task, method);
  }
  return { task, method, question };
}

async function measure(
  asker: Asker,
  subject: Subject,
  { task, method, question }: Job,
  { timedQueries = 8, signal }: EvalOptions,
): Promise<Measured> {
  const queries = encodeQueries(subject, task.samples, question.context);
  const outcomes = await named(task, method, () => asker.ask(queries, signal));
  const timed = queries.slice(0, timedQueries);
  return {
    task: task.name,
    method,
    outcomes,
    hasChoices: task.samples.some(({ choices }) => choices !== undefined),
    inputTokens: queries.reduce((sum, { prompt }) => sum + prompt.length, 0) / queries.length,
    msPerQuery: timed.length === 0 ? null : await asker.time(timed),
  };
}

/** Errors say on which task and by which method they came. */
async function named<T>(task: TaskFile, method: MethodName, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw withName(error, task, method);
  }
}

function withName(error: unknown, { name }: TaskFile, method: MethodName): unknown {
  if (!(error instanceof AppError) || error.code === "E_INTERRUPTED") return error;
  return new AppError(error.code, `task "${name}", method ${method}: ${error.message}`, { cause: error });
}
