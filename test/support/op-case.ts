/** @file One example of an op: a graph, the sizes it runs at, values for its leaves. */
import type { Tensor } from "../../src/graph/tensor.ts";
import type { Graph, Node } from "../../src/graph/types.ts";
import { type Range, type Sizes, sampleLeaves } from "./numeric.ts";

/** One graph with values for its leaves. */
export type OpCase = {
  readonly title: string;
  readonly graph: Graph;
  /** Sizes of the symbolic dimensions. Every case runs with each of them. */
  readonly sizes: readonly Sizes[];
  readonly values: (sizes: Sizes) => Record<string, Tensor>;
  /** How far fp32 (or, for quantised activations, int8) may be from float64. */
  readonly tolerance: number;
};

/** What is true of an op's gradient. */
export type GradientClaim =
  /** Equal to finite differences by these leaves (those that a case has), or zero, for this reason. */
  | { readonly by: readonly string[]; readonly zero?: string }
  /** `grad` refuses, for this reason, to differentiate by these leaves. */
  | { readonly blocked: string; readonly by: readonly string[] }
  /** There is nothing to differentiate by, for this reason. */
  | { readonly none: string };

export type OpCases = { readonly gradient: GradientClaim; readonly cases: readonly OpCase[] };

type CaseOptions = {
  readonly sizes?: readonly Sizes[];
  readonly ranges?: Readonly<Record<string, Range>>;
  /** Values that cannot be random. */
  readonly given?: (sizes: Sizes, random: Readonly<Record<string, Tensor>>) => Record<string, Tensor>;
  readonly tolerance?: number;
};

const fixed: readonly Sizes[] = [{}];
export const batches: readonly Sizes[] = [{ batch: 2 }, { batch: 3 }];
export const texts: readonly Sizes[] = [
  { batch: 2, seq: 3 },
  { batch: 1, seq: 5 },
];

/** A case from its result, or from its results by name. */
export function example(
  title: string,
  result: Node | Readonly<Record<string, Node>>,
  { sizes = fixed, ranges = {}, given = () => ({}), tolerance = 1e-5 }: CaseOptions = {},
): OpCase {
  const outputs = "op" in result ? { result: result as Node } : (result as Readonly<Record<string, Node>>);
  const graph: Graph = { outputs };
  const values = (chosen: Sizes): Record<string, Tensor> => {
    const random = sampleLeaves(graph, chosen, ranges);
    return { ...random, ...given(chosen, random) };
  };
  return { title, graph, sizes, values, tolerance };
}
