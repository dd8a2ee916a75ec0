/** @file Which sums ONNX Runtime adds while it multiplies: MatMulNBits takes a bias. */
import { countUses } from "../graph/tree.ts";
import { isOp, type Node } from "../graph/types.ts";

/** y = product + bias, with a bias (n). */
export type BiasedProduct = { readonly product: Node<"matmulNBits">; readonly bias: Node };

/**
 * The sums that can be one operator with the product they add to: those of a bias and a product that nothing else needs.
 * @param order every node of a graph once
 * @param roots the graph's results, which are needed too
 */
export function findBiases(order: readonly Node[], roots: readonly Node[]): ReadonlyMap<Node, BiasedProduct> {
  const uses = countUses(order, roots);
  const found = new Map<Node, BiasedProduct>();
  for (const node of order) {
    if (!isOp(node, "add")) continue;
    const [a, b] = node.inputs as [Node, Node];
    for (const [product, bias] of [
      [a, b],
      [b, a],
    ] as const)
      if (isOp(product, "matmulNBits") && uses.get(product) === 1 && isVector(bias, product.params.n))
        found.set(node, { product, bias });
  }
  return found;
}

const isVector = ({ shape }: Node, length: number): boolean => shape.length === 1 && shape[0] === length;
