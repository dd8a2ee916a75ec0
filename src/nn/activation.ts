/** @file Activations of feed-forward blocks, and the soft cap. */
import { constant, gelu, relu, scale as scaleBy, sigmoid, silu, sub } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";

export type Activation = "silu" | "gelu" | "relu";

export const activations: { readonly [A in Activation]: (x: Node) => Node } = { silu, gelu, relu };

/** cap · tanh(x / cap), by tanh u = 2σ(2u) − 1. Cap 0 leaves x as it is. */
export const softCap = (x: Node, cap: number): Node =>
  cap === 0 ? x : sub(scaleBy(sigmoid(scaleBy(x, 2 / cap)), 2 * cap), constant(cap));
