/** @file A linear map by its singular values, each with a factor that can be trained: W′ = U (Σ ⊙ z) Vᵀ (Transformer²). */
import { add, constant, div, matmul, mul, sub, sum } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import type { Linear } from "./parts.ts";

/** The k largest singular values of a weight. u: (k, out), s: (k), v: (k, in). */
export type SvdNodes = { readonly u: Node; readonly s: Node; readonly v: Node };

/** The factors (k) in such a measure that the sum of the singular values stays: z Σσ / Σσz. */
export const renormalized = (z: Node, s: Node): Node => mul(z, div(sum(s), sum(mul(s, z))));

/** y = U ((Σ ⊙ m) ⊙ (Vᵀ x)), of all singular values: the weight itself is not read. */
export function bySingularValues({ u, s, v }: SvdNodes, factors: Node): Linear {
  return (x) => matmul(mul(matmul(x, v, { transB: true }), mul(s, factors)), u);
}

/** y = W x + U ((Σ ⊙ (m − 1)) ⊙ (Vᵀ x)), of the k largest: the others keep theirs. */
export function besideSingularValues(plain: Linear, { u, s, v }: SvdNodes, factors: Node): Linear {
  const change = mul(s, sub(factors, constant(1)));
  return (x) => add(plain(x), matmul(mul(matmul(x, v, { transB: true }), change), u));
}
