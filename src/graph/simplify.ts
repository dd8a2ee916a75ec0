/** @file Simplification: equal values made one, literals folded, steps that do nothing removed. Never more nodes than before. */
import { unreachable } from "../base/errors.ts";
import { add, broadcast, constant, matmul, mul, rebuild, reshape, sub, transpose } from "./build.ts";
import { sameShape, sizeOf } from "./dims.ts";
import { evaluate } from "./interpret.ts";
import { numbersOf, tensor } from "./tensor.ts";
import { countUses, mapGraph, topological } from "./tree.ts";
import { type Graph, isOp, type Node, type Op, type OpParams } from "./types.ts";

/** Results larger than this are not folded into literals. */
const foldLimit = 64;
/** Each pass shrinks the graph or moves a factor towards its product, so few are needed. */
const passLimit = 1000;

/** A simpler node of the same type, or undefined. `isSole(i)`: nothing else uses input i, so that changing it costs nothing. */
type Rule<P extends Op> = (node: Node<P>, isSole: (input: number) => boolean) => Node | undefined;

const isSame = (node: Node, x: Node): boolean => x.dtype === node.dtype && sameShape(x.shape, node.shape);
const isAll = (node: Node, value: number): boolean =>
  isOp(node, "constant") && (node as Node<"constant">).params.data.every((element) => element === value);

/** Far from the ends of fp32, so that neither a joined factor nor what it multiplies overflows where the steps did not. */
const isModerate = (factor: number): boolean => Math.abs(factor) >= 1e-15 && Math.abs(factor) <= 1e15;

/** The value of a scalar f32 literal that may be moved. */
function factorOf(node: Node): number | undefined {
  if (!isOp(node, "constant") || node.dtype !== "f32" || sizeOf(node.shape) !== 1) return undefined;
  const value = (node as Node<"constant">).params.data[0]!;
  return isModerate(value) ? value : undefined;
}

/** node = factor · x, where that is how it is written and x has the type of node. `at` is the input that is x. */
function scaledInput(node: Node): { readonly at: number; readonly x: Node; readonly factor: number } | undefined {
  const [a, b] = node.inputs;
  const found = (at: number, factor: number | undefined) => {
    const x = node.inputs[at]!;
    return factor !== undefined && isSame(node, x) ? { at, x, factor } : undefined;
  };
  if (node.op === "neg") return found(0, -1);
  if (node.op === "div") {
    const divisor = factorOf(b!);
    return found(0, divisor === undefined ? undefined : 1 / divisor);
  }
  if (node.op === "mul") return found(0, factorOf(b!)) ?? found(1, factorOf(a!));
  return undefined;
}

/** The product with its alpha times `factor`, or undefined where that leaves the safe range. */
function scaledMatmul(a: Node, b: Node, params: OpParams["matmul"], factor: number): Node | undefined {
  const alpha = params.alpha * factor;
  return isModerate(alpha) ? matmul(a, b, { ...params, alpha }) : undefined;
}

/** factor · matmul → one matmul. Only where nothing else needs the product, which would be computed twice. */
function intoAlpha(node: Node, isSole: (input: number) => boolean): Node | undefined {
  const scaled = scaledInput(node);
  if (scaled === undefined || !isOp(scaled.x, "matmul") || !isSole(scaled.at)) return undefined;
  const product = scaled.x as Node<"matmul">;
  const [a, b] = product.inputs as [Node, Node];
  return scaledMatmul(a, b, product.params, scaled.factor);
}

/** factor · (factor · x) → factor · x. Only where the inner product goes away, which pays for the new literal. */
function joinFactors(node: Node, isSole: (input: number) => boolean): Node | undefined {
  const outer = scaledInput(node);
  if (outer === undefined || node.op === "neg" || !isSole(outer.at)) return undefined;
  const inner = scaledInput(outer.x);
  if (inner === undefined || outer.x.op === "neg") return undefined;
  const factor = inner.factor * outer.factor;
  return isModerate(factor) ? mul(inner.x, constant(factor)) : undefined;
}

/** Whether a node swaps the last two axes and nothing else. */
function swapsLastTwo(node: Node): boolean {
  if (!isOp(node, "transpose")) return false;
  const { perm } = (node as Node<"transpose">).params;
  const rank = perm.length;
  return rank >= 2 && perm.every((axis, i) => axis === (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i));
}

/** Factors, sign and transposition of either side become parameters of the product. */
function absorb(node: Node<"matmul">): Node | undefined {
  const [a, b] = node.inputs as [Node, Node];
  const { transA, transB, alpha } = node.params;
  if (swapsLastTwo(a)) return matmul(a.inputs[0]!, b, { transA: !transA, transB, alpha });
  if (swapsLastTwo(b)) return matmul(a, b.inputs[0]!, { transA, transB: !transB, alpha });
  const [left, right] = [scaledInput(a), scaledInput(b)];
  if (left !== undefined) return scaledMatmul(left.x, b, node.params, left.factor);
  if (right !== undefined) return scaledMatmul(a, right.x, node.params, right.factor);
  return undefined;
}

/** An op that broadcasts by itself needs no broadcast before it, unless only that gives the result its shape. */
function dropBroadcasts(node: Node): Node | undefined {
  for (const [i, input] of node.inputs.entries()) {
    if (!isOp(input, "broadcast")) continue;
    const inputs = node.inputs.map((other, j) => (i === j ? input.inputs[0]! : other));
    const bare = rebuild(node, inputs);
    if (isSame(node, bare)) return bare;
  }
  return undefined;
}

const keep = (node: Node, x: Node): Node | undefined => (isSame(node, x) ? x : undefined);

const rules: { readonly [P in Op]?: Rule<P> } = {
  add: (node) => {
    const [a, b] = node.inputs as [Node, Node];
    if (isAll(b, 0)) return keep(node, a);
    if (isAll(a, 0)) return keep(node, b);
    if (isOp(b, "neg")) return sub(a, b.inputs[0]!);
    if (isOp(a, "neg")) return sub(b, a.inputs[0]!);
    return dropBroadcasts(node);
  },
  sub: (node) => {
    const [a, b] = node.inputs as [Node, Node];
    if (isAll(b, 0)) return keep(node, a);
    if (isOp(b, "neg")) return add(a, b.inputs[0]!);
    return dropBroadcasts(node);
  },
  mul: (node, isSole) => {
    const [a, b] = node.inputs as [Node, Node];
    const kept = isAll(b, 1) ? keep(node, a) : isAll(a, 1) ? keep(node, b) : undefined;
    return kept ?? intoAlpha(node, isSole) ?? joinFactors(node, isSole) ?? dropBroadcasts(node);
  },
  div: (node, isSole) => {
    const [a, b] = node.inputs as [Node, Node];
    const kept = isAll(b, 1) ? keep(node, a) : undefined;
    return kept ?? intoAlpha(node, isSole) ?? joinFactors(node, isSole) ?? dropBroadcasts(node);
  },
  neg: (node, isSole) => (isOp(node.inputs[0]!, "neg") ? node.inputs[0]!.inputs[0]! : intoAlpha(node, isSole)),
  less: dropBroadcasts,
  equal: dropBroadcasts,
  where: dropBroadcasts,
  sum: (node) => {
    const { axes, keepDims } = node.params;
    return keepDims && axes.every((axis) => node.inputs[0]!.shape[axis] === 1) ? node.inputs[0]! : undefined;
  },
  reshape: (node) => {
    const [x] = node.inputs as [Node];
    return keep(node, x) ?? (isOp(x, "reshape") ? reshape(x.inputs[0]!, node.shape) : undefined);
  },
  transpose: (node) => {
    const [x] = node.inputs as [Node];
    const { perm } = node.params;
    if (perm.every((axis, i) => axis === i)) return x;
    if (!isOp(x, "transpose")) return undefined;
    const inner = (x as Node<"transpose">).params.perm;
    return transpose(
      x.inputs[0]!,
      perm.map((axis) => inner[axis]!),
    );
  },
  broadcast: (node) => {
    const [x] = node.inputs as [Node];
    return keep(node, x) ?? (isOp(x, "broadcast") ? broadcast(x.inputs[0]!, node.shape) : undefined);
  },
  cast: (node) => keep(node, node.inputs[0]!),
  concat: (node) => (node.inputs.length === 1 ? node.inputs[0] : undefined),
  slice: (node) => keep(node, node.inputs[0]!),
  pad: (node) => keep(node, node.inputs[0]!),
  matmul: absorb,
};

/** A small value that depends on literals alone becomes a literal. */
function fold(node: Node): Node | undefined {
  if (node.op === "constant" || node.op === "result" || node.op === "cachedAttention") return undefined;
  const count = sizeOf(node.shape);
  if (typeof count !== "number" || count > foldLimit || node.op === "input" || node.op === "weight") return undefined;
  if (node.op === "size" || !node.inputs.every((input) => isOp(input, "constant"))) return undefined;
  const inputs = node.inputs.map(({ params, shape, dtype }) =>
    tensor(shape as readonly number[], (params as OpParams["constant"]).data, dtype),
  );
  return constant(numbersOf(evaluate(node, inputs)), node.shape, node.dtype);
}

/** What makes two nodes over the same inputs the same value. */
function keyOf(node: Node, idOf: (node: Node) => number): string {
  const params = Object.entries(node.params).map(([name, value]) => `${name}=${spell(value)}`);
  return `${node.op}(${node.inputs.map(idOf)}) ${params.join(" ")} ${node.dtype}[${node.shape}]`;
}

const spell = (value: unknown): string =>
  Array.isArray(value) ? value.map(spell).join() : Object.is(value, -0) ? "-0" : String(value);

/** Equal values become one node. Inputs and weights are what they are. */
function share(roots: readonly Node[]): Node[] {
  const canonical = new Map<string, Node>();
  const ids = new Map<Node, number>();
  const idOf = (node: Node): number => {
    const known = ids.get(node);
    if (known === undefined) ids.set(node, ids.size);
    return known ?? ids.size - 1;
  };
  return mapGraph(roots, (node) => {
    if (node.op === "input" || node.op === "weight") return node;
    const key = keyOf(node, idOf);
    const known = canonical.get(key);
    if (known === undefined) canonical.set(key, node);
    return known ?? node;
  });
}

/** Applies the rules once, from the leaves up. Nodes that nothing improves keep their identity. */
function rewrite(roots: readonly Node[]): Node[] {
  const uses = countUses(topological(roots), roots);
  return mapGraph(roots, (node, old) => {
    // An input that changed in this very pass may stand for others too: it waits for the next pass.
    const isSole = (i: number): boolean => node.inputs[i] === old.inputs[i] && uses.get(old.inputs[i]!) === 1;
    return fold(node) ?? (rules[node.op] as Rule<Op> | undefined)?.(node, isSole) ?? node;
  });
}

/** The same results with fewer nodes, or as many. Inputs and weights that no longer matter may disappear. */
export function simplify(graph: Graph): Graph {
  const names = Object.keys(graph.outputs);
  let roots = Object.values(graph.outputs);
  for (let pass = 0; pass < passLimit; pass++) {
    const next = rewrite(share(roots));
    if (next.every((root, i) => root === roots[i]))
      return { outputs: Object.fromEntries(names.map((name, i) => [name, roots[i]!])) };
    roots = next;
  }
  return unreachable("simplify does not come to rest");
}
