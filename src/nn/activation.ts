/** @file Activations of feed-forward blocks, and the soft cap. */
import { add, constant, mul, relu, scale as scaleBy, sigmoid, silu, sub } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";

export type Activation = "silu" | "gelu" | "relu";

export const activations: { readonly [A in Activation]: (x: Node) => Node } = { silu, gelu, relu };

/** GELU in its tanh form: x · ½(1 + tanh u) = x · σ(2u) with u = √(2/π) · (x + 0.044715 x³). */
export function gelu(x: Node): Node {
  const factor = 2 * Math.sqrt(2 / Math.PI);
  const polynomial = add(constant(factor), scaleBy(mul(x, x), factor * 0.044715));
  return mul(x, sigmoid(mul(x, polynomial)));
}

/** cap · tanh(x / cap), by tanh u = 2σ(2u) − 1. Cap 0 leaves x as it is. */
export const softCap = (x: Node, cap: number): Node =>
  cap === 0 ? x : sub(scaleBy(sigmoid(scaleBy(x, 2 / cap)), 2 * cap), constant(cap));
