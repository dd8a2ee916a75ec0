/** @file The state of a training run and the sessions that advance it: double-buffered, preallocated, nothing copied. */
import { AppError } from "../base/errors.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import { adamwScalars } from "../optim/adamw.ts";
import { compile } from "../runtime/node.ts";
import type { CompileOptions, Feeds, Session } from "../runtime/session.ts";
import { floats, scalarTensor, type Tensor, zeros } from "../runtime/tensor.ts";
import {
  buildAccumulate,
  buildEvaluation,
  buildStep,
  buildUpdate,
  type ParameterShapes,
  type StepSpec,
  stepNames,
} from "./step.ts";

/** Tensors by their state name: `p/…`, `m/…`, `v/…`, `b/…`. */
export type TrainingState = Record<string, Tensor<"f32">>;

export type Metrics = Readonly<Record<string, Float32Array>>;

/** A class-like owner of native sessions: close it. */
export type Trainer = AsyncDisposable & {
  /** One optimiser step over one or several micro-batches; returns the metrics, averaged over them. Throws E_NAN and keeps the last good state. */
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

function stateShapes(spec: StepSpec): ParameterShapes {
  const shapes = new Map<string, readonly number[]>();
  for (const [name, shape] of spec.parameters)
    for (const spell of [stepNames.parameter, stepNames.m, stepNames.v]) shapes.set(spell(name), shape);
  for (const [name, shape] of spec.buffers ?? []) shapes.set(stepNames.buffer(name), shape);
  return shapes;
}

/** Checks the given state and completes it with zero moments. */
function completeState(shapes: ParameterShapes, given: TrainingState): TrainingState {
  const state: TrainingState = {};
  for (const [name, shape] of shapes) {
    const value = given[name];
    if (value === undefined && !/^[mv]\//.test(name))
      throw new AppError("E_MISMATCH", `training state: "${name}" is missing`);
    if (value !== undefined && String(value.shape) !== String(shape)) {
      throw new AppError("E_MISMATCH", `training state: "${name}" should be [${shape}], found [${value.shape}]`);
    }
    state[name] = value ?? zeros("f32", shape);
  }
  return state;
}

const zeroState = (shapes: ParameterShapes): TrainingState =>
  Object.fromEntries([...shapes].map(([name, shape]) => [name, zeros("f32", shape)]));

/** Results to be written into `target`, keyed by the outputs' names. */
const into = (target: TrainingState, only: (name: string) => boolean = () => true): Feeds =>
  Object.fromEntries(
    Object.entries(target)
      .filter(([name]) => only(name))
      .map(([name, value]) => [stepNames.next(name), value]),
  );

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

/** Compiles the sessions of a step and takes over `state`. */
export async function createTrainer(spec: StepSpec, options: TrainerOptions): Promise<Trainer> {
  const { weights = {}, device = "cpu", threads = 0, prepack = false, arena = true, accumulate = false } = options;
  const compileOptions: CompileOptions = { weights, device, threads, prepack, arena };
  const shapes = stateShapes(spec);
  let current = completeState(shapes, options.state);
  let next = zeroState(shapes);
  let stepCount = options.stepCount ?? 0;
  const sessions: Session[] = [];
  const open = async (graph: Parameters<typeof compile>[0]): Promise<Session> => {
    const session = await compile(graph, compileOptions);
    sessions.push(session);
    return session;
  };
  const whole = accumulate ? undefined : await open(buildStep(spec));
  const halves = accumulate
    ? { add: await open(buildAccumulate(spec)), update: await open(buildUpdate(spec)) }
    : undefined;
  let evaluation: Session | undefined;
  const isBuffer = (name: string) => name.startsWith(stepNames.buffer(""));

  async function accumulated(batches: readonly Feeds[], scalars: Feeds): Promise<Metrics> {
    const gradientShapes = new Map(
      [...spec.parameters].map(([name, shape]) => [stepNames.gradient(name), shape] as const),
    );
    let [sums, spare] = [zeroState(gradientShapes), zeroState(gradientShapes)];
    const share = { [stepNames.accumulationShare]: scalarTensor(1 / batches.length) };
    let metrics: Metrics = {};
    let buffers = current;
    for (const batch of batches) {
      const outputs = await halves!.add.run({ ...buffers, ...sums, ...share, ...batch }, { ...into(spare) });
      metrics = averageIn(metrics, metricsOf(outputs), batches.length);
      buffers = { ...buffers, ...bufferResults(outputs) };
      [sums, spare] = [spare, sums];
    }
    for (const name of Object.keys(next).filter(isBuffer))
      (next[name]!.data as Float32Array).set(buffers[name]!.data as Float32Array);
    const outputs = await halves!.update.run(
      { ...current, ...sums, ...scalars },
      into(next, (name) => !isBuffer(name)),
    );
    return { ...metrics, ...metricsOf(outputs) };
  }

  async function step(batches: readonly Feeds[], rate: number): Promise<Metrics> {
    if (batches.length === 0 || (!accumulate && batches.length !== 1)) {
      throw new Error(
        `internal: ${batches.length} micro-batches given to a trainer compiled with accumulate = ${accumulate}`,
      );
    }
    const scalars = scalarFeeds(stepCount + 1, rate, spec.optimizer);
    const metrics = whole
      ? metricsOf(await whole.run({ ...current, ...scalars, ...batches[0] }, into(next)))
      : await accumulated(batches, scalars);
    requireFinite(metrics, stepCount + 1);
    [current, next] = [next, current];
    stepCount++;
    return metrics;
  }

  async function evaluate(batch: Feeds): Promise<Metrics> {
    evaluation ??= await open(buildEvaluation(options.evaluation ?? spec));
    return metricsOf(await evaluation.run({ ...current, ...batch }));
  }

  async function close(): Promise<void> {
    for (const session of sessions) await session.close();
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

function bufferResults(outputs: Feeds): TrainingState {
  const prefix = stepNames.next(stepNames.buffer(""));
  return Object.fromEntries(
    Object.entries(outputs)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(stepNames.next("").length), value as Tensor<"f32">]),
  );
}

function averageIn(sum: Metrics, part: Metrics, count: number): Metrics {
  return Object.fromEntries(
    Object.entries(part).map(([name, values]) => [
      name,
      values.map((value, i) => (sum[name]?.[i] ?? 0) + value / count),
    ]),
  );
}
