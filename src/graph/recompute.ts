/** @file What the backward pass holds in memory: the order it runs in, and forward values computed again instead of kept. */
import { add, constant, gather, less, rebuild, reshape, where } from "./build.ts";
import { sizeOf } from "./dims.ts";
import { topological } from "./tree.ts";
import { isOp, type Node } from "./types.ts";

const firstElement = (x: Node): Node => gather(reshape(x, [sizeOf(x.shape)]), constant(0, [], "i64"));

/**
 * The value of x (f32), computed only once the `others` (f32) are there. A runtime may run nodes in any order that
 * their inputs allow, and equal nodes as one: this makes an order an input. s < s holds for no s, NaN included.
 */
export function after(x: Node, others: readonly Node[]): Node {
  if (others.length === 0) return x;
  const s = others.map(firstElement).reduce(add);
  return where(less(s, s), constant(0), x);
}

/**
 * Where a network is cut into parts: the values its normalisations read, which in a transformer is the residual stream
 * before each attention and each feed-forward block.
 */
export const residualStream = (loss: Node): Node[] => [
  ...new Set(
    topological([loss]).flatMap((node) => (isOp(node, "rmsNorm") || isOp(node, "layerNorm") ? [node.inputs[0]!] : [])),
  ),
];

/**
 * A view of the forward pass for its backward pass: what lies between two cuts is computed again from the first of
 * them, once the gradient that asks for it is there, so that the forward pass keeps nothing but the cuts. What comes
 * before the first cut, or leads to no further one, is kept: its gradient is the first or the last to be computed.
 * @returns the node as its vector–Jacobian rule should see it, asked for by the gradient `dy`
 */
export function recomputeBetween(cuts: ReadonlySet<Node>, order: readonly Node[]): (node: Node, dy: Node) => Node {
  const between = nodesBetween(cuts, order);
  const again = new Map<Node, Node>();
  // Recursion is as deep as a part is long.
  const recomputed = (node: Node, dy: Node): Node => {
    const known = again.get(node);
    if (known !== undefined) return known;
    const made = cuts.has(node) ? after(node, [dy]) : between.has(node) ? view(node, dy) : node;
    again.set(node, made);
    return made;
  };
  const view = (node: Node, dy: Node): Node =>
    rebuild(
      node,
      node.inputs.map((input) => recomputed(input, dy)),
    );
  return (node, dy) => (between.has(node) ? recomputed(node, dy) : view(node, dy));
}

/** The nodes, cuts aside, that depend on a cut and lead to another one. */
function nodesBetween(cuts: ReadonlySet<Node>, order: readonly Node[]): Set<Node> {
  const behind = new Set<Node>();
  for (const node of order) if (node.inputs.some((input) => cuts.has(input) || behind.has(input))) behind.add(node);
  const leading = new Set<Node>();
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]!;
    if (cuts.has(node) || leading.has(node)) for (const input of node.inputs) leading.add(input);
  }
  return new Set(order.filter((node) => !cuts.has(node) && behind.has(node) && leading.has(node)));
}
