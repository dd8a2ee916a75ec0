/** @file Clipping by the global norm. */
import { add, constant, div, less, matmul, reshape, sqrt, where } from "../graph/build.ts";
import { sizeOf } from "../graph/dims.ts";
import type { Node } from "../graph/types.ts";

/** √ Σ ‖g‖², each square one inner product: a single pass over every gradient. */
export function globalNorm(gradients: readonly Node[]): Node {
  const squares = gradients.map((g) => {
    const row = reshape(g, [1, sizeOf(g.shape)]);
    return reshape(matmul(row, row, { transB: true }), []);
  });
  return sqrt(squares.reduce(add));
}

/** min(1, maxNorm / norm) as a scalar node. */
export function clipFactor(norm: Node, maxNorm: number): Node {
  const limit = constant(maxNorm);
  return where(less(limit, norm), div(limit, norm), constant(1));
}
