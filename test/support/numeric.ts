/** @file Numbers for tests: seeded values, distance between results, central finite differences. */
import { createRng } from "../../src/base/rng.ts";
import { evaluateDim } from "../../src/graph/bind.ts";
import { add, cast, input, mul, sum } from "../../src/graph/build.ts";
import { interpret } from "../../src/graph/interpret.ts";
import { elementCount, fill, numbersOf, type Tensor } from "../../src/graph/tensor.ts";
import { leavesOf, topological } from "../../src/graph/tree.ts";
import type { Graph, Node } from "../../src/graph/types.ts";
import type { Feeds, WeightSource } from "../../src/runtime/session.ts";
import type { Tensor as RuntimeTensor } from "../../src/runtime/tensor.ts";

/** The sizes of symbolic dimensions. */
export type Sizes = Readonly<Record<string, number>>;

/** What values a leaf takes: uniform reals in [from, to), or whole numbers in it for the other types. */
export type Range = readonly [from: number, to: number];

/** Values by leaf name, inputs and weights in one table. */
export type Values = Readonly<Record<string, Tensor>>;

/** Seeded values for a leaf, exact in fp32. */
export function sample(node: Node, name: string, sizes: Sizes, range?: Range): Tensor {
  const binding = new Map(Object.entries(sizes));
  const shape = node.shape.map((dim) => evaluateDim(dim, binding));
  const rng = createRng(`${name} [${shape}]`);
  const [from, to] = range ?? (node.dtype === "f32" ? [-1, 1] : [0, 2]);
  const value =
    node.dtype === "f32" ? () => Math.fround(from + (to - from) * rng.next()) : () => from + rng.int(to - from);
  return { shape, dtype: node.dtype, data: fill(node.dtype, elementCount(shape), value) };
}

/** The inputs and weights of a value. */
export const leavesByName = (root: Node): Map<string, Node> =>
  new Map<string, Node>(
    (["input", "weight"] as const).flatMap((kind) => [...leavesOf({ outputs: { root } }, kind)] as [string, Node][]),
  );

/** Seeded values for all inputs and weights of a graph. */
export function sampleLeaves(
  graph: Graph,
  sizes: Sizes,
  ranges: Readonly<Record<string, Range>> = {},
): Record<string, Tensor> {
  const leaves = [...leavesOf(graph, "input"), ...leavesOf(graph, "weight")] as [string, Node][];
  return Object.fromEntries(leaves.map(([name, node]) => [name, sample(node, name, sizes, ranges[name])]));
}

/** Runs the interpreter with one table of values. */
export const run = (graph: Graph, values: Values): Record<string, Tensor> =>
  interpret(graph, { inputs: values, weights: values });

/** The largest gap between two lists, relative to the largest magnitude expected (at least 1). Equal infinities and NaNs are no gap. */
export function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [largest, worst] = [1, 0];
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(actual[i], expected[i])) continue;
    const gap = Math.abs(actual[i]! - expected[i]!);
    if (!Number.isFinite(gap)) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, gap);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return worst / largest;
}

/** A scalar that every element of the outputs moves by its own amount: Σ output · probe, probes being further inputs. */
export function probed(graph: Graph): { readonly loss: Node; readonly probes: readonly string[] } {
  const parts = Object.entries(graph.outputs).map(([name, node]) => {
    const probe = `probe of ${name}`;
    return { probe, part: sum(mul(cast(node, "f32"), input(probe, node.shape))) };
  });
  return { loss: parts.map(({ part }) => part).reduce(add), probes: parts.map(({ probe }) => probe) };
}

/** The derivative of a scalar output by every element of one leaf, by central differences in float64. */
export function finiteDifference(loss: Node, values: Values, name: string, step = 1e-5): number[] {
  const x = values[name]!;
  const lossAt = (at: number, by: number): number => {
    const data = Float64Array.from(x.data as Float64Array);
    data[at]! += by;
    return numbersOf(run({ outputs: { loss } }, { ...values, [name]: { ...x, data } })["loss"]!)[0]!;
  };
  return numbersOf(x).map((_, i) => (lossAt(i, step) - lossAt(i, -step)) / (2 * step));
}

/** How many nodes a graph has. */
export const nodeCount = (graph: Graph): number => topological(Object.values(graph.outputs)).length;

const inFp32 = ({ data }: Tensor): Float32Array | BigInt64Array | Uint8Array =>
  data instanceof Float64Array ? Float32Array.from(data) : data;

/** Values for a session's inputs. */
export const runtimeFeeds = (values: Values): Feeds =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { ...value, data: inFp32(value) } as RuntimeTensor]),
  );

/** Values for a session's weights. */
export const runtimeWeights = (values: Values): Record<string, WeightSource> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { kind: "data", data: inFp32(value) }]));

/** A session's result as plain numbers. */
export const numbersOfRuntime = ({ data }: RuntimeTensor): number[] =>
  Array.from(data as ArrayLike<number | bigint>, Number);

/** The gap between a session's result and the interpreter's; infinite where type or shape differ. */
export function gapTo(expected: Tensor, actual: RuntimeTensor | undefined): number {
  const same = actual?.dtype === expected.dtype && `${actual.shape}` === `${expected.shape}`;
  return same ? distance(numbersOfRuntime(actual), numbersOf(expected)) : Infinity;
}
