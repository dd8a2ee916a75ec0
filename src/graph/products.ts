/** @file The arithmetic of a graph as it runs: its matrix products, 2·m·k·n floating-point operations each. */
import { type DimBinding, evaluateDim } from "./bind.ts";
import { mulDims } from "./dims.ts";
import { simplify } from "./simplify.ts";
import { topological } from "./tree.ts";
import { type Dim, type Graph, isOp, type Node } from "./types.ts";

/** Of all products where symbols have these sizes. Row sums written as products (a side of 1) are left out. Throws E_SHAPE for a symbol without size. */
export const productFlops = (graph: Graph, sizes: DimBinding): number => countProducts(graph)(sizes);

/** The same for many sizes of one graph. */
export function countProducts(graph: Graph): (sizes: DimBinding) => number {
  const products = topological(Object.values(simplify(graph).outputs)).flatMap((node) => multiplications(node) ?? []);
  return (sizes) => products.reduce<number>((total, count) => total + 2 * evaluateDim(count, sizes), 0);
}

/** Multiplications of a node: its results times the length of the inner products; undefined for other nodes. */
function multiplications(node: Node): Dim | undefined {
  if (isOp(node, "cachedAttention")) return attentionProducts(node as Node<"cachedAttention">);
  const inner = innerLength(node);
  if (inner === undefined || node.shape.at(-1) === 1 || node.shape.at(-2) === 1) return undefined;
  return mulDims(inner, ...node.shape);
}

function innerLength(node: Node): Dim | undefined {
  if (isOp(node, "matmulNBits")) return (node as Node<"matmulNBits">).params.k;
  if (!isOp(node, "matmul")) return undefined;
  return node.inputs[0]!.shape.at((node as Node<"matmul">).params.transA ? -2 : -1)!;
}

/** Scores and their mixture of values: queries with all positions that the cache has room for, the future among them. */
function attentionProducts({ inputs }: Node<"cachedAttention">): Dim {
  const [q, , , past] = inputs as [Node, Node, Node, Node];
  return mulDims(2, ...q.shape, past.shape[2]!);
}
