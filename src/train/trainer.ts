/** @file The sessions that advance a training run: double-buffered, preallocated, nothing copied. */
import { AppError } from "../base/errors.ts";
import type { Graph } from "../graph/types.ts";
import { type AdamWConfig, adamwScalars } from "../optim/adamw.ts";
import { compile } from "../runtime/node.ts";
import type { CompileOptions, Feeds, Session } from "../runtime/session.ts";
import { floats, scalarTensor } from "../runtime/tensor.ts";
import { bufferResults, completeState, into, isBuffer, stateShapes, type TrainingState, zeroState } from "./state.ts";
import { buildAccumulate, buildEvaluation, buildStep, buildUpdate, type StepSpec, stepNames } from "./step.ts";

export type Metrics = Readonly<Record<string, Float32Array>>;

/** A class-like owner of native sessions: close it. */
export type Trainer = AsyncDisposable & {
  /** One optimiser step over one or several micro-batches; returns the metrics, averaged over them by `spec.weigh`. Throws E_NAN and keeps the last good state. */
  step(batches: readonly Feeds[], learningRate: number): Promise<Metrics>;
  /** Loss and metrics without an update. */
  evaluate(batch: Feeds): Promise<Metrics>;
  /** Steps taken so far, this run and the ones it resumed. */
  readonly stepCount: number;
  /** The current state. The tensors are reused by later steps: copy what must stay. */
  state(): TrainingState;
  close(): Promise<void>;
};

export type TrainerOptions = Pick<CompileOptions, "weights" | "device" | "threads" | "prepack" | "arena"> & {
  /** `p/…` and `b/…` at least; moments default to zero. */
  readonly state: TrainingState;
  readonly stepCount?: number;
  /** Micro-batches per step: decides which sessions are compiled. */
  readonly accumulate?: boolean;
  /** What `evaluate` computes, where it differs from the training objective (running statistics instead of batch ones). */
  readonly evaluation?: StepSpec;
};

/** Reads `current`, writes all of `next` but what is held. */
type Advance = (
  states: { readonly current: TrainingState; readonly next: TrainingState },
  batches: readonly Feeds[],
  scalars: Feeds,
) => Promise<Metrics>;

type Open = (graph: Graph) => Promise<Session>;

/** Compiles the sessions of a step and takes over `state`. */
export async function createTrainer(spec: StepSpec, options: TrainerOptions): Promise<Trainer> {
  const { weights = {}, device = "cpu", threads = 0, prepack = false, arena = true, accumulate = false } = options;
  const shapes = stateShapes(spec);
  let current = completeState(shapes, options.state);
  const held = heldNames(spec);
  // What a step does not write stands in both states as the same memory.
  let next = { ...zeroState(shapes), ...Object.fromEntries([...held].map((name) => [name, current[name]!])) };
  let stepCount = options.stepCount ?? 0;
  const sessions: Session[] = [];
  const open: Open = async (graph) => {
    const session = await compile(graph, { weights, device, threads, prepack, arena, spin: false });
    sessions.push(session);
    return session;
  };
  const close = async (): Promise<void> => {
    for (const session of sessions) await session.close();
  };
  const advance = await (accumulate ? inMicroBatches : atOnce)(spec, open).catch(async (error: unknown) => {
    await close(); // of those that were compiled
    throw error;
  });
  let evaluation: Session | undefined;

  async function step(batches: readonly Feeds[], rate: number): Promise<Metrics> {
    const metrics = await advance({ current, next }, batches, scalarFeeds(stepCount + 1, rate, spec.optimizer));
    requireFinite(metrics, stepCount + 1);
    [current, next] = [next, current];
    stepCount++;
    return metrics;
  }

  async function evaluate(batch: Feeds): Promise<Metrics> {
    evaluation ??= await open(buildEvaluation(options.evaluation ?? spec));
    return metricsOf(await evaluation.run({ ...current, ...batch }));
  }

  return {
    step,
    evaluate,
    get stepCount() {
      return stepCount;
    },
    state: () => current,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Names in the state of parameters that no step writes. */
const heldNames = ({ held = new Map() }: StepSpec): ReadonlySet<string> =>
  new Set([...held.keys()].map(stepNames.parameter));

/** One graph per step. */
async function atOnce(spec: StepSpec, open: Open): Promise<Advance> {
  const session = await open(buildStep(spec));
  const held = heldNames(spec);
  return async ({ current, next }, batches, scalars) => {
    if (batches.length !== 1) throw new Error(`internal: ${batches.length} micro-batches, compiled for one`);
    return metricsOf(
      await session.run(
        { ...current, ...scalars, ...batches[0] },
        into(next, (name) => !held.has(name)),
      ),
    );
  };
}

/** Gradients averaged over micro-batches by `spec.weigh`, buffers carried from one to the next, then one update. */
async function inMicroBatches(spec: StepSpec, open: Open): Promise<Advance> {
  const [add, update] = [await open(buildAccumulate(spec)), await open(buildUpdate(spec))];
  const held = heldNames(spec);
  const gradientShapes = new Map([...spec.parameters].map(([name, shape]) => [stepNames.gradient(name), shape]));
  return async ({ current, next }, batches, scalars) => {
    if (batches.length === 0) throw new Error("internal: a step without micro-batches");
    let [sums, spare] = [zeroState(gradientShapes), zeroState(gradientShapes)];
    const weights = batches.map(spec.weigh ?? (() => 1));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    let metrics: Metrics = {};
    let buffers = current;
    for (const [i, batch] of batches.entries()) {
      const share = weights[i]! / total;
      const scalar = { [stepNames.accumulationShare]: scalarTensor(share) };
      const outputs = await add.run({ ...buffers, ...sums, ...scalar, ...batch }, into(spare));
      metrics = averageIn(metrics, metricsOf(outputs), share);
      buffers = { ...buffers, ...bufferResults(outputs) };
      [sums, spare] = [spare, sums];
    }
    for (const name of Object.keys(next).filter(isBuffer)) next[name]!.data.set(buffers[name]!.data);
    const outputs = await update.run(
      { ...current, ...sums, ...scalars },
      into(next, (name) => !isBuffer(name) && !held.has(name)),
    );
    return { ...metrics, ...metricsOf(outputs) };
  };
}

function metricsOf(outputs: Feeds): Metrics {
  const prefix = stepNames.metric("");
  return Object.fromEntries(
    Object.entries(outputs)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), floats(value)]),
  );
}

function scalarFeeds(step: number, rate: number, config: AdamWConfig): Feeds {
  const { keep, stepSize, epsilon } = adamwScalars(step, rate, config);
  return {
    [stepNames.keep]: scalarTensor(keep),
    [stepNames.stepSize]: scalarTensor(stepSize),
    [stepNames.epsilon]: scalarTensor(epsilon),
  };
}

function requireFinite(metrics: Metrics, step: number): void {
  for (const name of ["loss", "gradientNorm"]) {
    const value = metrics[name]?.[0];
    if (value !== undefined && !Number.isFinite(value))
      throw new AppError("E_NAN", `step ${step}: ${name} is ${value}; the state of step ${step - 1} is kept`);
  }
}

function averageIn(sum: Metrics, part: Metrics, share: number): Metrics {
  return Object.fromEntries(
    Object.entries(part).map(([name, values]) => [
      name,
      values.map((value, i) => (sum[name]?.[i] ?? 0) + share * value),
    ]),
  );
}
