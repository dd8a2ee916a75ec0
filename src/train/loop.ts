/** @file The training loop: steps, validation, checkpoints, log; stops on request in a state from which `resume` goes on bit-identically. */
import { z } from "zod";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { AppError } from "../base/errors.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import type { Logger } from "../base/log.ts";
import type { Progress } from "../base/progress.ts";
import { readFileBounded } from "../base/read-file.ts";
import { createRng, type Rng } from "../base/rng.ts";
import { decodeUtf8 } from "../base/utf8.ts";
import {
  type Checkpoint,
  type Loaded,
  latestCheckpoint,
  loadNewest,
  removeCheckpoints,
  saveCheckpoint,
  setAside,
} from "../files/checkpoint.ts";
import { appendJsonl } from "../files/jsonl.ts";
import { learningRate, type Schedule } from "../optim/schedule.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import type { RunConfig } from "./config.ts";
import type { Job } from "./job.ts";
import { beginRun, continueRun } from "./resume.ts";
import { claimRunFolder, type RunFolder, runFolder } from "./run-folder.ts";
import { stateShapes, type TrainingState } from "./state.ts";
import { metricShapes, type StepSpec } from "./step.ts";
import { createTrainer, type Metrics, type Trainer } from "./trainer.ts";

export type LoopContext = {
  readonly log: Logger;
  readonly progress: (total: number, start: number) => Progress;
  /** A clock in milliseconds. */
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly resume: boolean;
};

export type TrainingResult = {
  readonly steps: number;
  /** The state that is the result: its value of the metric that `bestBy` names, and its step. Infinite where nothing was validated. */
  readonly best: { readonly metric: string; readonly value: number; readonly step: number };
  readonly interrupted: boolean;
};

/** In checkpoints. `bestLoss` is the value of whichever metric `bestBy` names. */
const LoopState = z.object({ bestLoss: z.number().nullable(), bestStep: z.int() });

const LogLine = z.looseObject({ step: z.int().min(0) });

type Best = { value: number; step: number };

/** Token ids that a batch feeds, padding among them. Noise per token is named alike, but is no whole number. */
const tokensIn = (feeds: Feeds): number =>
  Object.entries(feeds).reduce(
    (sum, [name, { data, dtype }]) => (name.endsWith(".tokens") && dtype === "i64" ? sum + data.length : sum),
    0,
  );

/**
 * Runs a job to its end or until the signal; the best state by `bestBy` is what is saved as the result.
 * @throws E_CONFIG where no such metric is validated, E_USAGE where `output` is not a run's to write into, E_IO where another process trains into it: before anything is touched
 */
export async function trainLoop(config: RunConfig, job: Job, context: LoopContext): Promise<TrainingResult> {
  const release = await claimRunFolder(config.output, context.resume);
  try {
    return await train(config, job, context, runFolder(config.output));
  } finally {
    await job.close?.();
    await release();
  }
}

async function train(config: RunConfig, job: Job, context: LoopContext, folders: RunFolder): Promise<TrainingResult> {
  requireMetric(job.evaluation ?? job.spec, config.bestBy.metric);
  const loaded = await loadNewest(folders.checkpoints);
  const before = loaded?.checkpoint;
  if (before === undefined) await removeCheckpoints(folders.best); // of a run that left no checkpoint
  if (before === undefined) await beginRun(config);
  else await continueRun(config, before.step, context.log);
  await setDamagedAside(loaded, context.log);
  for (const warning of job.warnings ?? []) context.log.warn(warning);
  const best: Best = before === undefined ? noneYet(config) : readBest(before, config);
  await keepLogUpTo(folders.log, before?.step ?? 0);
  const state = before === undefined ? await job.start() : wholeState(before, job.spec);
  const { threads, device } = config;
  const evaluation = job.evaluation === undefined ? {} : { evaluation: job.evaluation };
  await using trainer = await createTrainer(job.spec, {
    ...evaluation,
    weights: job.weights,
    prepack: job.prepack ?? false,
    state,
    stepCount: before?.step ?? 0,
    accumulate: config.accumulate > 1,
    threads,
    device,
  });
  const progress = context.progress(config.steps, trainer.stepCount);
  const checkpoint = () =>
    saveCheckpoint(folders.checkpoints, { step: trainer.stepCount, tensors: trainer.state(), state: bestToJson(best) });
  try {
    await advance({ config, job, context, trainer, best, files: { ...folders, checkpoint, progress } });
  } catch (error) {
    const last = await latestCheckpoint(folders.checkpoints);
    if (error instanceof AppError && error.code === "E_NAN") {
      throw new AppError("E_NAN", `${error.message}. Last good checkpoint: ${last ?? "none"}`, { cause: error });
    }
    throw error;
  } finally {
    progress.finish();
  }
  const interrupted = trainer.stepCount < config.steps;
  if (!interrupted) await job.save((await bestState(folders.best, context.log)) ?? trainer.state());
  return { steps: trainer.stepCount, best: { metric: config.bestBy.metric, ...best }, interrupted };
}

type Advance = {
  readonly config: RunConfig;
  readonly job: Job;
  readonly context: LoopContext;
  readonly trainer: Trainer;
  /** Written to as better states are found. */
  readonly best: Best;
  readonly files: {
    readonly best: string;
    readonly log: string;
    readonly checkpoint: () => Promise<string>;
    readonly progress: Progress;
  };
};

async function advance({ config, job, context, trainer, best, files }: Advance): Promise<void> {
  const root = createRng(config.seed);
  const schedule = scheduleOf(config);
  let since = { at: context.now(), tokens: 0, metrics: [] as Metrics[] };
  while (trainer.stepCount < config.steps && !context.signal.aborted) {
    const step = trainer.stepCount + 1;
    const stream = root.split(`step-${step}`);
    const batches: Feeds[] = [];
    for (let i = 0; i < config.accumulate; i++) {
      const index = (step - 1) * config.accumulate + i;
      batches.push(await job.batch({ rng: stream.split(`batch-${i}`), step, index, state: trainer.state() }));
    }
    const rate = learningRate(step, schedule);
    since.metrics.push(await trainer.step(batches, rate));
    since.tokens += batches.reduce((sum, batch) => sum + tokensIn(batch), 0);
    if (step % config.logEvery === 0 || step === config.steps) {
      const seconds = (context.now() - since.at) / 1000;
      const averages = averageMetrics(since.metrics);
      const tokensPerSecond = Math.round(since.tokens / seconds);
      const memoryMb = Math.round(process.memoryUsage.rss() / 2 ** 20);
      await appendJsonl(files.log, { step, ...averages, learningRate: rate, tokensPerSecond, memoryMb });
      files.progress.update(step, { loss: Number(averages["loss"]).toFixed(4), "tok/s": tokensPerSecond });
      since = { at: context.now(), tokens: 0, metrics: [] };
    }
    if (step % config.validateEvery === 0 || step === config.steps) {
      const pausedAt = context.now();
      const validation = await validate({ config, job, trainer }, root);
      await appendJsonl(files.log, { step, validation });
      const { metric } = config.bestBy;
      const value = Number(validation[metric]);
      files.progress.note(`step ${step}: validation ${metric} ${value.toFixed(4)}`);
      if (isBetter(config, value, best.value)) {
        Object.assign(best, { value, step });
        await saveCheckpoint(files.best, {
          step,
          tensors: onlyWeights(trainer.state()),
          state: bestToJson(best),
          keep: 1,
        });
      }
      since.at += context.now() - pausedAt;
    }
    if (step % config.checkpointEvery === 0 || step === config.steps) await files.checkpoint();
  }
  if (trainer.stepCount < config.steps) context.log.info(`interrupted; resumable from ${await files.checkpoint()}`);
}

type Validated = Pick<Advance, "config" | "job" | "trainer">;

async function validate({ config, job, trainer }: Validated, root: Rng): Promise<Record<string, number | number[]>> {
  const all: Metrics[] = [];
  const { stepCount: step } = trainer;
  for (let index = 0; index < config.validationBatches; index++) {
    const rng = root.split(`validation-${index}`);
    all.push(await trainer.evaluate(await job.validation({ rng, step, index, state: trainer.state() })));
  }
  const averages = averageMetrics(all);
  for (const name of new Set(["loss", config.bestBy.metric]))
    if (!Number.isFinite(averages[name]))
      throw new AppError("E_NAN", `step ${step}: validation ${name} is ${averages[name]}`);
  return averages;
}

/** Throws E_CONFIG where a validation has no such number. */
function requireMetric(spec: StepSpec, metric: string): void {
  if (metric === "loss") return; // every run has it
  const known = metricShapes(spec);
  if (known.get(metric)?.length === 0) return;
  const numbers = [...known].filter(([, shape]) => shape.length === 0).map(([name]) => name);
  throw new AppError(
    "E_CONFIG",
    `bestBy.metric: expected one of ${numbers.join(", ")}, found ${JSON.stringify(metric)}`,
  );
}

const isBetter = ({ bestBy: { goal } }: RunConfig, value: number, best: number): boolean =>
  goal === "lowest" ? value < best : value > best;

function scheduleOf({ steps, optimizer }: RunConfig): Schedule {
  const { schedule, learningRate: peak, warmupSteps, finalShare, scheduleSteps } = optimizer;
  return { kind: schedule, peak, warmupSteps, totalSteps: scheduleSteps ?? steps, finalShare };
}

function averageMetrics(all: readonly Metrics[]): Record<string, number | number[]> {
  return Object.fromEntries(
    Object.keys(all[0] ?? {}).map((name) => {
      const values = Array.from(
        all[0]![name]!,
        (_, i) => all.reduce((sum, metrics) => sum + metrics[name]![i]!, 0) / all.length,
      );
      return [name, values.length === 1 ? values[0]! : values];
    }),
  );
}

const onlyWeights = (state: TrainingState): TrainingState =>
  Object.fromEntries(Object.entries(state).filter(([name]) => /^[pb]\//.test(name)));

const toState = (checkpoint: Checkpoint): TrainingState =>
  Object.fromEntries(
    Object.entries(checkpoint.tensors).map(([name, { shape, data }]) => [name, floatTensor(shape, data)]),
  );

/** All of it: a moment that is missing would begin at zero, and the run end elsewhere. Throws E_MISMATCH naming the first that is. */
function wholeState(checkpoint: Checkpoint, spec: StepSpec): TrainingState {
  const missing = [...stateShapes(spec).keys()].find((name) => !Object.hasOwn(checkpoint.tensors, name));
  if (missing !== undefined)
    throw new AppError("E_MISMATCH", `checkpoint of step ${checkpoint.step}: "${missing}" is missing`);
  return toState(checkpoint);
}

const bestToJson = ({ value, step }: Best) => ({ bestLoss: Number.isFinite(value) ? value : null, bestStep: step });

function readBest({ state }: Checkpoint, config: RunConfig): Best {
  const { bestLoss, bestStep } = checkSchema(state, LoopState, { what: "checkpoint state" });
  return { value: bestLoss ?? noneYet(config).value, step: bestStep };
}

/** Whatever is validated first is better. */
const noneYet = ({ bestBy: { goal } }: RunConfig): Best => ({
  value: goal === "lowest" ? Infinity : -Infinity,
  step: 0,
});

/** What is damaged is not gone on from, and never again looked at: the run comes past its step once more. */
async function setDamagedAside(loaded: Loaded | undefined, log: Logger): Promise<void> {
  for (const { path, why } of loaded?.damaged ?? []) {
    const aside = await setAside(path);
    log.warn(`${why}. Going on from step ${loaded?.checkpoint.step}; the damaged file is now ${aside}`);
  }
}

/** Undefined where there is none, or, with a warning, none that can be read. */
async function bestState(folder: string, log: Logger): Promise<TrainingState | undefined> {
  try {
    const best = await loadNewest(folder);
    return best && toState(best.checkpoint);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    log.warn(`${error.message}. The result is the state of the last step instead of the best`);
    return undefined;
  }
}

/** Longest log that is read again. */
const logBytes = 512 * 2 ** 20;

/** Drops log lines of steps that will be done again, and what a kill left of a last line. */
async function keepLogUpTo(path: string, step: number): Promise<void> {
  const text = await readFileBounded(path, logBytes).then(
    (bytes) => decodeUtf8(bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1), path),
    (error: unknown) => {
      if (error instanceof AppError && error.code === "E_NOT_FOUND") return "";
      throw error;
    },
  );
  if (text === "") return;
  const kept = text.split("\n").filter((line, i) => {
    if (line === "") return false;
    const what = `${path}, line ${i + 1}`;
    return checkSchema(parseJson(line, { what }), LogLine, { what }).step <= step;
  });
  await writeFileAtomic(path, kept.map((line) => `${line}\n`).join(""));
}
