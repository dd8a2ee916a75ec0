/** @file The state of a training run: weights, moments and buffers by name, preallocated and written in place. */
import { AppError } from "../base/errors.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor, type Tensor, zeros } from "../runtime/tensor.ts";
import { type ParameterShapes, type StepSpec, stepNames } from "./step.ts";

/** Tensors by their state name: `p/…`, `m/…`, `v/…`, `b/…`. */
export type TrainingState = Record<string, Tensor<"f32">>;

/** The name and shape of every tensor in a step's state. */
export function stateShapes(spec: StepSpec): ParameterShapes {
  const shapes = new Map<string, readonly number[]>();
  for (const [name, shape] of spec.parameters)
    for (const spell of [stepNames.parameter, stepNames.m, stepNames.v]) shapes.set(spell(name), shape);
  for (const [name, shape] of spec.held ?? []) shapes.set(stepNames.parameter(name), shape);
  for (const [name, shape] of spec.buffers ?? []) shapes.set(stepNames.buffer(name), shape);
  return shapes;
}

/** Checks the given state and completes it with zero moments. Throws E_MISMATCH. */
export function completeState(shapes: ParameterShapes, given: TrainingState): TrainingState {
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

/** Where training begins, from values by their plain names. */
export const startState = (values: ReadonlyMap<string, Float32Array>, shapes: ParameterShapes): TrainingState =>
  Object.fromEntries(
    [...shapes].map(([name, shape]) => [stepNames.parameter(name), floatTensor(shape, values.get(name)!)]),
  );

export const zeroState = (shapes: ParameterShapes): TrainingState =>
  Object.fromEntries([...shapes].map(([name, shape]) => [name, zeros("f32", shape)]));

/** Memory for a step's results, keyed by their names: those of `target` that `only` lets through. */
export const into = (target: TrainingState, only: (name: string) => boolean = () => true): Feeds =>
  Object.fromEntries(
    Object.entries(target)
      .filter(([name]) => only(name))
      .map(([name, value]) => [stepNames.next(name), value]),
  );

export const isBuffer = (name: string): boolean => name.startsWith(stepNames.buffer(""));

/** The new buffers among a step's results, by their state names. */
export function bufferResults(outputs: Feeds): TrainingState {
  const prefix = stepNames.next("");
  return Object.fromEntries(
    Object.entries(outputs)
      .filter(([name]) => name.startsWith(prefix) && isBuffer(name.slice(prefix.length)))
      .map(([name, value]) => [name.slice(prefix.length), value as Tensor<"f32">]),
  );
}

const valuesBelow = (state: TrainingState, prefix: string): Map<string, Float32Array> =>
  new Map(
    Object.entries(state)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, { data }]) => [name.slice(prefix.length), data]),
  );

/** Parameters by their plain names, held ones among them. */
export const parametersOf = (state: TrainingState): Map<string, Float32Array> =>
  valuesBelow(state, stepNames.parameter(""));

/** Running statistics by their plain names. */
export const buffersOf = (state: TrainingState): Map<string, Float32Array> => valuesBelow(state, stepNames.buffer(""));
