/** @file An evaluation: every method on every task, one line of the log per question. */
import { stat } from "node:fs/promises";
import { AppError } from "../base/errors.ts";
import { groupBy } from "../base/group-by.ts";
import { sha256 } from "../base/hash.ts";
import { requireRunning } from "../base/interrupt.ts";
import { version } from "../base/version.ts";
import { compileConstraint } from "../constraint/compile.ts";
import { choicesOf, type EvalSample, type EvalTask } from "../data/eval-task.ts";
import { readTaskFiles } from "../data/task-file.ts";
import type { StepChange } from "../decode/cached-model.ts";
import type { Prefix } from "../decode/prefix.ts";
import { readingCounter } from "../methods/flops.ts";
import { type Dispatched, freeOfCost, type Prepared, type Subject } from "../methods/method.ts";
import { type NamedMethod, parseMethods } from "../methods/table.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { loadPair, type PairOptions } from "../pair/pair-file.ts";
import type { Device } from "../runtime/session.ts";
import { cachedTokenizer } from "../text/cached-tokenizer.ts";
import { encodeTarget } from "../text/prompt.ts";
import { type Asker, createAsker, encodeQuery, type Query } from "./ask.ts";
import { constraintHash, LOG_VERSION, type LogLine, questionKey, taskHash } from "./log.ts";
import { openLog } from "./log-file.ts";
import { type Job, type LeftOut, planJobs, type Selection, selectTasks } from "./plan.ts";
import { type EvalReport, summarize } from "./report.ts";
import type { RunCode } from "./run-code.ts";
import { needsCode, runsAnswers, scoreLine } from "./scorers/table.ts";
import { modelSubject, pairSubject, requireLayout, type SubjectOptions } from "./subject.ts";

export type EvalProgress = {
  /** Questions answered, by all methods together; those of an earlier run among them. */
  readonly done: number;
  readonly total: number;
  readonly task: string;
  readonly method: string;
};

export type EvalOptions = Selection & {
  /** Names of methods (see `METHODS`), and methods of the caller's own, which come last. */
  readonly methods: readonly (string | NamedMethod)[];
  /** Threads for one operator; 0: as `LORAGEN_THREADS` says, else one per core. */
  readonly threads?: number;
  readonly device?: Device;
  /** So many first queries of each task and method are asked once more, alone, to be timed. */
  readonly timedQueries?: number;
  /** Lines of other logs: answers to the very same questions go into this one, and these are not asked again. What is timed is asked anew. */
  readonly others?: readonly LogLine[] | undefined;
  readonly onProgress?: (progress: EvalProgress) => void;
  readonly signal?: AbortSignal;
  /** Whether the log keeps prompts, and all that a model read, beside the prompts' hashes. */
  readonly logPrompts?: boolean | undefined;
  /** The method that every other one is held against in the report. */
  readonly against?: string | undefined;
  /** Runs what scorers such as `code-run` test; without it, tasks with such a scorer are refused. */
  readonly runCode?: RunCode | undefined;
  /** A clock in milliseconds. */
  readonly now?: () => number;
};

/** Where the lines of an evaluation go, and what is there already. */
export type Log = { readonly lines: readonly LogLine[]; append(line: LogLine): Promise<void> };

export type Evaluation = {
  /** Of all questions that were planned, those of an earlier run among them. */
  readonly lines: readonly LogLine[];
  /** Methods that some tasks do not allow. */
  readonly leftOut: readonly LeftOut[];
};

/**
 * Evaluates a pair, or a model alone, on task files. With `log` each answer is written as it comes, and an evaluation that was stopped goes on from there.
 * @throws what `loadPair`, `modelSubject` and `readTaskFiles` throw; E_DATA where nothing can be asked; E_MISMATCH for a log of another model or other
 * tasks; E_INTERRUPTED
 */
export async function runEval({
  pairDirectory,
  modelPath,
  taskFiles,
  tasks: given = [],
  log: path,
  resolveModel,
  warn,
  exact,
  swap,
  ...options
}: EvalOptions &
  SubjectOptions &
  Pick<PairOptions, "resolveModel" | "warn" | "exact"> & {
    readonly pairDirectory?: string;
    /** A model alone, in the place of a pair; what `resolveModel` takes, where that is given. */
    readonly modelPath?: string;
    readonly taskFiles: readonly string[];
    /** Tasks beside those of files. */
    readonly tasks?: readonly EvalTask[];
    readonly log?: string;
  }): Promise<EvalReport & { readonly leftOut: readonly LeftOut[] }> {
  const read = await readTaskFiles(taskFiles);
  const twice = given.find((task) => read.some(({ name, seed }) => name === task.name && seed === task.seed));
  if (twice !== undefined)
    throw new AppError("E_DATA", `the task name "${twice.name}" is in a file and a published task's`);
  const tasks = [...read, ...given];
  const { threads = 0, device = "cpu" } = options;
  if ((pairDirectory === undefined) === (modelPath === undefined))
    throw new AppError("E_USAGE", "evaluation: expected either a pair or a model");
  for (const method of methodsOf(options)) await requirePath(method);
  await using log = path === undefined ? undefined : await openLog(path);
  await using pair =
    pairDirectory === undefined
      ? undefined
      : pairSubject(await loadPair(pairDirectory, { resolveModel, warn, exact }), { threads, device, swap });
  const subject = pair ?? (await modelSubject((await resolveModel?.(modelPath!)) ?? modelPath!, { exact }));
  const { lines, leftOut } = await evaluate(subject, tasks, options, log);
  return { ...summarize(lines, { against: options.against }), leftOut };
}

/** Evaluates any subject on tasks of different names. */
export async function evaluate(
  evaluated: Subject,
  tasks: readonly EvalTask[],
  options: EvalOptions,
  log: Log = { lines: [], append: async () => undefined },
): Promise<Evaluation> {
  const { onProgress, signal, timedQueries = 8, others = [] } = options;
  const subject = { ...evaluated, tokenizer: cachedTokenizer(evaluated.tokenizer) };
  const { jobs, leftOut } = planJobs(subject, selectTasks(tasks, options), methodsOf(options));
  if (jobs.some(({ task }) => task.layout === undefined)) requireLayout(subject);
  for (const { task, scorers } of jobs) {
    const running = scorers.find(runsAnswers);
    if (running !== undefined && options.runCode === undefined) throw needsCode(running, `task "${task.name}": `);
  }
  const contents = await contentsOf(jobs);
  const known = knownLines(log.lines, subject, jobs, contents);
  const timedOf = ({ samples }: Job) => new Set(samples.slice(0, timedQueries).map(([sample]) => sample));
  for (const line of sameQuestions(others, subject, jobs, contents)) {
    const key = questionKey(line);
    if (known.has(key) || jobs.some((job) => isOf(line, job) && timedOf(job).has(line.sample))) continue;
    await log.append(line);
    known.set(key, line);
  }
  const total = jobs.reduce((sum, { samples }) => sum + samples.length, 0);
  const lines: LogLine[] = [];
  const left = jobs.flatMap((job): LeftJob[] => {
    const samples = job.samples.filter(([sample]) => {
      const line = known.get(questionKey({ ...idOf(job, subject), sample }));
      if (line !== undefined) lines.push(line);
      return line === undefined;
    });
    return samples.length === 0 ? [] : [{ ...job, samples, timed: timedOf(job) }];
  });
  const tell = ({ task, method }: Job): void =>
    onProgress?.({ done: lines.length, total, task: task.name, method: method.name });
  if (left[0] !== undefined) tell(left[0]);
  await using askers = createAskers(subject, options);
  for (const job of left) {
    requireRunning(signal, "evaluation: interrupted");
    for await (const line of ask({ ...job, content: contents.get(job.method.name) }, subject, askers, options)) {
      await log.append(line);
      lines.push(line);
      tell(job);
    }
  }
  return { lines, leftOut };
}

function methodsOf({ methods }: EvalOptions): NamedMethod[] {
  const own = methods.filter((method) => typeof method !== "string");
  const names = methods.filter((method) => typeof method === "string");
  return own.length > 0 && names.length === 0 ? own : [...parseMethods(names), ...own];
}

/** Throws E_NOT_FOUND where nothing lies where a method reads. */
async function requirePath({ name, path }: NamedMethod): Promise<void> {
  const isThere = path === undefined || (await stat(path).catch(() => undefined)) !== undefined;
  if (!isThere) throw new AppError("E_NOT_FOUND", `method ${name}: cannot read ${path}: not found`);
}

const idOf = ({ task: { name, seed }, method }: Job, subject: Subject) => ({
  task: name,
  ...(seed === undefined ? {} : { seed }),
  method: method.name,
  sha256: { model: subject.sha256 },
});

/** What methods read from the paths in their names, each once. */
async function contentsOf(jobs: readonly Job[]): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for (const { name, content } of new Set(jobs.map(({ method }) => method))) {
    const hash = await content?.();
    if (hash !== undefined) contents.set(name, hash);
  }
  return contents;
}

/** What a question is, beside its place. */
const rowKey = ({ input, target, choices }: Pick<EvalSample, "input" | "target"> & { choices?: unknown }): string =>
  JSON.stringify([input, target, choices ?? null]);

/** The lines of an earlier run by their questions. Throws E_MISMATCH where they were asked of another model, or of other tasks. */
function knownLines(
  lines: readonly LogLine[],
  subject: Subject,
  jobs: readonly Job[],
  contents: ReadonlyMap<string, string>,
): Map<string, LogLine> {
  const planned = new Map(
    jobs.map(({ task, samples, constraint }) => [
      JSON.stringify([task.name, task.seed ?? null]),
      {
        task: taskHash(task),
        constraint: constraint && constraintHash(constraint),
        samples: new Map(samples.map(([at, sample]) => [at, rowKey({ ...sample, choices: choicesOf(task, sample) })])),
      },
    ]),
  );
  const advice = "name another log to begin anew";
  for (const line of lines) {
    const { task, seed, method, sha256: hashes } = line;
    if (hashes.model !== subject.sha256)
      throw new AppError("E_MISMATCH", `log: it was written for other weights; ${advice}`);
    if (isSwapped(line) !== (subject.swaps === true))
      throw new AppError("E_MISMATCH", `log: it was written with${isSwapped(line) ? "" : "out"} --swap; ${advice}`);
    const wanted = planned.get(JSON.stringify([task, seed ?? null]));
    if (wanted === undefined) continue;
    if (wanted.task !== hashes.task)
      throw new AppError("E_MISMATCH", `log: the task "${task}" has changed since it was written; ${advice}`);
    const row = wanted.samples.get(line.sample);
    if (row !== undefined && row !== rowKey(line))
      throw new AppError(
        "E_MISMATCH",
        `log: question ${line.sample} of the task "${task}" is another than when it was written: other data, or changed rows; ${advice}`,
      );
    if (wanted.constraint !== hashes.constraint)
      throw new AppError("E_MISMATCH", `log: the task "${task}" was asked under another constraint; ${advice}`);
    const content = contents.get(method);
    if (content !== undefined && hashes.method !== undefined && content !== hashes.method)
      throw new AppError(
        "E_MISMATCH",
        `log: what the method ${method} reads had sha256 ${hashes.method} when it was written, and has ${content} now; ${advice}`,
      );
  }
  return new Map(lines.map((line) => [questionKey(line), line]));
}

/** Answered by a session in which specialisations take turns. */
const isSwapped = (line: LogLine): boolean => line["swapped"] === true;

const isOf = ({ task: name, seed, method: by }: LogLine, { task, method }: Job): boolean =>
  task.name === name && task.seed === seed && method.name === by;

/** Of any lines those that answer a question of this evaluation: of the same weights, task, row, form of answers and files. */
function sameQuestions(
  lines: readonly LogLine[],
  subject: Subject,
  jobs: readonly Job[],
  contents: ReadonlyMap<string, string>,
): LogLine[] {
  const byMethod = groupBy(lines, ({ task, seed, method }) => JSON.stringify([task, seed ?? null, method]));
  return jobs.flatMap(({ task, method, samples, constraint }) => {
    const found = byMethod.get(JSON.stringify([task.name, task.seed ?? null, method.name])) ?? [];
    const wanted = {
      model: subject.sha256,
      task: taskHash(task),
      method: contents.get(method.name),
      constraint: constraint && constraintHash(constraint),
    };
    const rows = new Map(samples.map(([at, sample]) => [at, rowKey({ ...sample, choices: choicesOf(task, sample) })]));
    return found.filter(
      (line) =>
        rows.get(line.sample) === rowKey(line) &&
        isSwapped(line) === (subject.swaps === true) &&
        Object.entries(wanted).every(([of, hash]) => line.sha256[of] === hash),
    );
  });
}

/** Tokens behind the longest target that an answer may have. */
const spareTokens = 16;
/** Longest answer where targets say nothing of its length. */
const programTokens = 512;

/** What is still to be asked, and which samples are timed: those of all, so that one that was stopped times no more of them. */
type LeftJob = Job & { readonly timed: ReadonlySet<number> };

/** Asks one method the samples of one task. What does not fit the model becomes a line that says so. */
async function* ask(
  job: LeftJob & { readonly content: string | undefined },
  subject: Subject,
  askers: Askers,
  options: EvalOptions,
): AsyncGenerator<LogLine, void> {
  const { task, method, samples, timed, constraint: demanded, content } = job;
  const { signal, runCode, threads = 0, device = "cpu", logPrompts = false } = options;
  const isAnswer = !runsAnswers(job.scorers[0]!);
  const taskSha256 = taskHash(task);
  const line = async (
    at: number,
    prepared: Pick<Prepared, "prompt" | "cost">,
    answered: Partial<LogLine>,
  ): Promise<LogLine> => {
    const [sample, { input, target }] = samples[at]!;
    const choices = choicesOf(task, samples[at]![1]);
    const { prompt, cost } = prepared;
    const id = idOf(job, subject);
    const asked = {
      log: LOG_VERSION,
      ...id,
      stratum: task.stratum,
      kind: task.kind,
      sample,
      subject: subject.name,
      ...(subject.swaps === true ? { swapped: true } : {}),
      input,
      target,
      ...(choices === undefined ? {} : { choices: [...choices] }),
      ...(logPrompts && prompt !== undefined ? { prompt } : {}),
      inputTokens: null,
      answer: null,
      finish: "failed",
      ms: null,
      cost,
      ...answered,
      sha256: {
        ...id.sha256,
        prompt: prompt === undefined ? null : sha256(prompt),
        task: taskSha256,
        ...(content === undefined ? {} : { method: content }),
        ...(demanded === undefined ? {} : { constraint: constraintHash(demanded) }),
      },
      versions: {
        loragen: version,
        node: process.version,
        ...(task.version === undefined ? {} : { task: task.version }),
      },
    } as const;
    return { ...asked, ...(await scoreLine(asked, job.scorers, runCode)) };
  };
  const { samples: _, ...known } = task;
  const prepared = await fitting(() => named(job, () => method.prepare(subject, known, { threads, device, signal })));
  if (prepared instanceof AppError) {
    for (const at of samples.keys()) yield await line(at, { cost: freeOfCost }, failed(prepared));
    return;
  }
  const context = await prepared.context?.(task.systemPrompt);
  const edge = { ...subject, ...prepared };
  try {
    const fitted: Omit<PlacedQuery, "dispatched">[] = [];
    for (const [at, [, sample]] of samples.entries()) {
      const query = await fitting(async () =>
        encodeQuery(edge, sample, { choices: choicesOf(task, sample), context, isAnswer, textLayout: task.layout }),
      );
      if (query instanceof AppError) yield await line(at, prepared, failed(query));
      else fitted.push({ at, query });
    }
    const isTimed = ({ at }: { readonly at: number }): boolean => timed.has(samples[at]![0]);
    const inputs = fitted.map((one) => ({ input: samples[one.at]![1].input, isTimed: isTimed(one) }));
    const chosen = await dispatchAll(prepared, inputs, signal);
    const queries = fitted.map((one, i): PlacedQuery => ({ ...one, dispatched: chosen[i] }));
    const { tokenizer, layout } = subject;
    const constraint = demanded === undefined ? prepared.constraint : compileConstraint(tokenizer, layout, demanded);
    const maxTokens = task.maxTokens ?? (isAnswer ? longestTarget(subject, task) + spareTokens : programTokens);
    const asking = { maxTokens, constraint, signal };
    const second = groupBy(queries, ({ dispatched }) =>
      dispatched === undefined ? prepared.change : dispatched.change,
    );
    for (const [change, group] of second) {
      const answering = { ...prepared, change };
      const asker = askers.of(answering);
      const asked = group.map(({ query }) => query);
      const flopsOf = readingCounter(answering);
      const toTime = [...group.keys()].filter((index) => isTimed(group[index]!));
      const times = await asker.time(
        toTime.map((index) => asked[index]!),
        asking,
      );
      const msOf = new Map(toTime.map((index, i) => [index, times[i]!]));
      for await (const { index, targetLogLikelihood: _, ...answer } of asker.ask(asked, asking)) {
        const { at, query, dispatched } = group[index]!;
        const { logLikelihoods, ...said } = answer;
        yield await line(at, prepared, {
          ...said,
          ...(logPrompts ? { asked: tokenizer.decode([...query.prompt]) } : {}),
          inputTokens: query.prompt.length,
          flops: flopsOf(query.prompt.length),
          ...(logLikelihoods === undefined ? {} : { logLikelihoods: [...logLikelihoods] }),
          ms: msOf.get(index) ?? null,
          ...(dispatched === undefined ? {} : { dispatch: told(dispatched) }),
        });
      }
      await askers.release(answering);
    }
  } catch (error) {
    throw withName(error, job);
  } finally {
    await prepared.close?.();
  }
}

/** A question with what the first pass said of it, where there is one. */
type PlacedQuery = { readonly at: number; readonly query: Query; readonly dispatched: Dispatched | undefined };

/** The first pass of all inputs, in their order: those that are timed alone, then the others together where that is faster. */
async function dispatchAll(
  { dispatch, dispatchMany }: Prepared,
  inputs: readonly { readonly input: string; readonly isTimed: boolean }[],
  signal: AbortSignal | undefined,
): Promise<(Dispatched | undefined)[]> {
  if (dispatch === undefined) return [];
  const all: (Dispatched | undefined)[] = [];
  const isAlone = ({ isTimed }: { readonly isTimed: boolean }): boolean => isTimed || dispatchMany === undefined;
  for (const [i, one] of inputs.entries()) if (isAlone(one)) all[i] = await dispatch(one.input, signal);
  const others = [...inputs.keys()].filter((i) => !isAlone(inputs[i]!));
  const found = await dispatchMany?.(
    others.map((i) => inputs[i]!.input),
    signal,
  );
  others.forEach((i, j) => {
    all[i] = found![j];
  });
  return all;
}

const told = ({ skill, ms, tokens, flops }: Dispatched): NonNullable<LogLine["dispatch"]> => ({
  skill,
  ...(ms === undefined ? {} : { ms }),
  tokens,
  flops,
});

const failed = ({ code, message }: AppError): Partial<LogLine> => ({ finish: "failed", error: { code, message } });

/** None in plain text, whose answers are chosen. */
const longestTarget = ({ tokenizer, layout }: Subject, { layout: isText, samples }: EvalTask): number =>
  isText === undefined
    ? samples.reduce((most, { target }) => Math.max(most, encodeTarget(tokenizer, layout, target).length), 0)
    : 0;

/** The error, where something is too long for a model. */
async function fitting<T>(work: () => Promise<T>): Promise<T | AppError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AppError && (error.code === "E_LIMIT" || error.code === "E_PROMPT")) return error;
    throw error;
  }
}

type Answering = {
  readonly model: FrozenModel;
  readonly change?: StepChange | undefined;
  readonly prefix?: Prefix | undefined;
};

type Askers = AsyncDisposable & {
  of(answering: Answering): Asker;
  /** Gives the sessions of a model back, unless it is asked again: the subject's own, or one that is steered. */
  release(answering: Answering): Promise<void>;
};

function createAskers(
  subject: Subject,
  { threads = 0, device = "cpu", now = () => performance.now() }: EvalOptions,
): Askers {
  const open: (Answering & { readonly asker: Asker })[] = [];
  const find = ({ model, change, prefix }: Answering) =>
    open.findIndex((one) => one.model === model && one.change === change && one.prefix === prefix);
  return {
    of({ model, change, prefix }) {
      const found = open[find({ model, change, prefix })];
      if (found !== undefined) return found.asker;
      const reusePrefix = change?.steered !== true;
      const asker = createAsker({ ...subject, model, change, prefix }, { threads, device, now, reusePrefix });
      open.push({ model, change, prefix, asker });
      return asker;
    },
    async release({ model, change, prefix }) {
      const isSubject = model === subject.model && change === undefined && prefix === undefined;
      if (isSubject || change?.steered === true) return;
      const [found] = open.splice(find({ model, change, prefix }), 1);
      await found?.asker[Symbol.asyncDispose]();
    },
    async [Symbol.asyncDispose]() {
      for (const { asker } of open) await asker[Symbol.asyncDispose]();
    },
  };
}

/** Errors say on which task and by which method they came. */
async function named<T>(job: Job, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw withName(error, job);
  }
}

function withName(error: unknown, { task: { name }, method }: Job): unknown {
  if (!(error instanceof AppError) || error.code === "E_INTERRUPTED") return error;
  return new AppError(error.code, `task "${name}", method ${method.name}: ${error.message}`, { cause: error });
}
