/** @file One training step as one graph: forward, backward, clipping, AdamW, metrics. */
import { add, input, mul } from "../graph/build.ts";
import { grad } from "../graph/grad.ts";
import { residualStream } from "../graph/recompute.ts";
import type { Graph, Node } from "../graph/types.ts";
import { type AdamWConfig, adamw } from "../optim/adamw.ts";
import { clipFactor, globalNorm } from "../optim/clip.ts";
import type { Feeds } from "../runtime/session.ts";

export type ParameterShapes = ReadonlyMap<string, readonly number[]>;

export type Objective = {
  /** Scalar. */
  readonly loss: Node;
  /** Scalars or small tensors to report. */
  readonly metrics?: Readonly<Record<string, Node>>;
  /** New values of buffers that are not trained by gradient (running statistics). */
  readonly buffers?: Readonly<Record<string, Node>>;
};

export type StepSpec = {
  readonly parameters: ParameterShapes;
  /** Parameters that stay as they are: read like the others, without gradient and moments. */
  readonly held?: ParameterShapes;
  /** Parameters without weight decay, beside vectors. */
  readonly undecayed?: ReadonlySet<string>;
  /** State updated by the forward pass, not by gradient. */
  readonly buffers?: ParameterShapes;
  readonly objective: (
    parameters: Readonly<Record<string, Node>>,
    buffers: Readonly<Record<string, Node>>,
  ) => Objective;
  /** How much a micro-batch counts among those of a step: what its loss is a mean over. Without it all count the same. */
  readonly weigh?: (batch: Feeds) => number;
  readonly optimizer: AdamWConfig;
  readonly maxGradientNorm: number;
  /** Computes each block's activations again in the backward pass: less memory, more time, the same result. */
  readonly recompute?: boolean;
};

/** Names of fed scalars, of state tensors and of results. */
export const stepNames = {
  keep: "adamw.keep",
  stepSize: "adamw.step_size",
  epsilon: "adamw.epsilon",
  accumulationShare: "accumulation.share",
  parameter: (name: string) => `p/${name}`,
  m: (name: string) => `m/${name}`,
  v: (name: string) => `v/${name}`,
  buffer: (name: string) => `b/${name}`,
  gradient: (name: string) => `g/${name}`,
  next: (name: string) => `next/${name}`,
  metric: (name: string) => `metric/${name}`,
} as const;

type Declared = { readonly nodes: Record<string, Node>; readonly objective: Objective };

function declare(spec: StepSpec): Declared {
  const declareAll = (shapes: ParameterShapes, spell: (name: string) => string) =>
    Object.fromEntries([...shapes].map(([name, shape]) => [name, input(spell(name), shape)]));
  const nodes = declareAll(new Map([...spec.parameters, ...(spec.held ?? [])]), stepNames.parameter);
  const buffers = declareAll(spec.buffers ?? new Map(), stepNames.buffer);
  return { nodes, objective: spec.objective(nodes, buffers) };
}

/** The gradient of every parameter, by name. */
function gradientsOf(spec: StepSpec, parameters: Readonly<Record<string, Node>>, loss: Node): Record<string, Node> {
  const names = [...spec.parameters.keys()];
  const gradients = grad(
    loss,
    names.map((name) => parameters[name]!),
    { cuts: residualStream(loss), recompute: spec.recompute ?? false },
  );
  return Object.fromEntries(names.map((name, i) => [name, gradients[i]!]));
}

function results({ loss, metrics = {}, buffers = {} }: Objective): Record<string, Node> {
  const named: Record<string, Node> = { [stepNames.metric("loss")]: loss };
  for (const [name, node] of Object.entries(metrics)) named[stepNames.metric(name)] = node;
  for (const [name, node] of Object.entries(buffers)) named[stepNames.next(stepNames.buffer(name))] = node;
  return named;
}

/** Updates from gradients: `next/p/…`, `next/m/…`, `next/v/…` and the gradient norm. */
function update(
  spec: StepSpec,
  parameters: Readonly<Record<string, Node>>,
  gradients: Readonly<Record<string, Node>>,
): Record<string, Node> {
  const norm = globalNorm(Object.values(gradients));
  const clip = clipFactor(norm, spec.maxGradientNorm);
  const scalars = {
    keep: input(stepNames.keep, []),
    stepSize: input(stepNames.stepSize, []),
    epsilon: input(stepNames.epsilon, []),
  };
  const outputs: Record<string, Node> = { [stepNames.metric("gradientNorm")]: norm };
  for (const [name, shape] of spec.parameters) {
    const moments = { m: input(stepNames.m(name), shape), v: input(stepNames.v(name), shape) };
    const decays = shape.length > 1 && !spec.undecayed?.has(name);
    const next = adamw({
      parameter: parameters[name]!,
      gradient: gradients[name]!,
      moments,
      clip,
      scalars,
      config: spec.optimizer,
      decays,
    });
    outputs[stepNames.next(stepNames.parameter(name))] = next.p;
    outputs[stepNames.next(stepNames.m(name))] = next.m;
    outputs[stepNames.next(stepNames.v(name))] = next.v;
  }
  return outputs;
}

/** The whole step in one graph. */
export function buildStep(spec: StepSpec): Graph {
  const { nodes, objective } = declare(spec);
  const gradients = gradientsOf(spec, nodes, objective.loss);
  return { outputs: { ...results(objective), ...update(spec, nodes, gradients) } };
}

/** Gradient accumulation, first half: adds this micro-batch's share of the gradients to `g/…`. */
export function buildAccumulate(spec: StepSpec): Graph {
  const { nodes, objective } = declare(spec);
  const share = input(stepNames.accumulationShare, []);
  const gradients = gradientsOf(spec, nodes, mul(objective.loss, share));
  const sums = [...spec.parameters].map(([name, shape]) => {
    const before = input(stepNames.gradient(name), shape);
    return [stepNames.next(stepNames.gradient(name)), add(before, gradients[name]!)] as const;
  });
  return { outputs: { ...results(objective), ...Object.fromEntries(sums) } };
}

/** Gradient accumulation, second half: updates from the summed gradients `g/…`. */
export function buildUpdate(spec: StepSpec): Graph {
  const declared = (spell: (name: string) => string) =>
    Object.fromEntries([...spec.parameters].map(([name, shape]) => [name, input(spell(name), shape)]));
  return { outputs: update(spec, declared(stepNames.parameter), declared(stepNames.gradient)) };
}

/** Loss and metrics alone, for validation. */
export function buildEvaluation(spec: StepSpec): Graph {
  const { objective } = declare(spec);
  return { outputs: results(objective) };
}

/** What an objective reports besides its loss, `loss` itself among it: the shape of each by name. */
export function metricShapes(spec: StepSpec): ParameterShapes {
  const { loss, metrics = {} } = declare(spec).objective;
  return new Map(Object.entries({ loss, ...metrics }).map(([name, { shape }]) => [name, shape.map(Number)]));
}
