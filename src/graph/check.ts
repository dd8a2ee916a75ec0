/** @file The checker: derives every type again and compares it with the stored one. */
import { AppError } from "../base/errors.ts";
import { mulDims, sameShape, sizeOf, symbolsOf } from "./dims.ts";
import { nameValues, printNode } from "./print.ts";
import { extraResultType, type Leaf, shapeRules } from "./shape.ts";
import { topological } from "./tree.ts";
import type { Dim, DType, Graph, Node, Op, OpParams, Shape, ValueType } from "./types.ts";

/** The least and the most inputs of each op. */
const arities: { readonly [P in Op]: readonly [number, number] } = {
  input: [0, 0],
  weight: [0, 0],
  constant: [0, 0],
  add: [2, 2],
  sub: [2, 2],
  mul: [2, 2],
  div: [2, 2],
  neg: [1, 1],
  exp: [1, 1],
  log: [1, 1],
  sqrt: [1, 1],
  sigmoid: [1, 1],
  silu: [1, 1],
  gelu: [1, 1],
  relu: [1, 1],
  clamp: [1, 1],
  less: [2, 2],
  equal: [2, 2],
  where: [3, 3],
  cast: [1, 1],
  sum: [1, 1],
  max: [1, 1],
  reshape: [1, 1],
  transpose: [1, 1],
  broadcast: [1, 1],
  concat: [1, Number.POSITIVE_INFINITY],
  slice: [1, 1],
  pad: [1, 1],
  iota: [0, 0],
  size: [0, 0],
  gather: [2, 2],
  scatterAdd: [2, 2],
  topKMask: [1, 1],
  matmul: [2, 2],
  matmulNBits: [3, 4],
  dequantize: [2, 3],
  softmax: [1, 1],
  rmsNorm: [2, 2],
  layerNorm: [3, 3],
  rope: [4, 4],
  crossEntropy: [2, 2],
  cachedAttention: [7, 7],
  result: [1, 1],
};

const dtypes: readonly DType[] = ["f32", "i64", "bool", "u8"];

/** What is wrong with a leaf, or its type. */
const leafRules: { readonly [P in Leaf]: (node: Node<P>) => string | ValueType } = {
  input: (node) => (node.params.name === "" ? "the name is empty" : node),
  weight: (node) => {
    if (node.params.name === "") return "the name is empty";
    return symbolsOf(node.shape).length > 0 ? "the shape of a weight must be known" : node;
  },
  constant: ({ params: { data }, shape, dtype }) => {
    if (sizeOf(shape) !== data.length) return `${data.length} values do not fill [${shape}]`;
    const whole = dtype === "f32" || data.every(Number.isInteger);
    return whole ? { shape, dtype } : `${dtype} values must be whole`;
  },
};

const isDim = (dim: Dim): boolean =>
  typeof dim === "number" ? Number.isInteger(dim) && dim >= 0 : dim !== "" && mulDims(dim) === dim;

const isLeaf = (op: Op): op is Leaf => op in leafRules;

/** What is wrong with a node, if anything. */
function faultOf(node: Node): string | undefined {
  const [least, most] = arities[node.op];
  const count = node.inputs.length;
  if (count < least || count > most)
    return `inputs: expected ${least === most ? least : `${least} to ${most}`}, found ${count}`;
  if (!node.shape.every(isDim)) return `[${node.shape}] is not a shape`;
  if (!dtypes.includes(node.dtype)) return `${node.dtype} is not a type`;
  const derived = derive(node);
  if (typeof derived === "string") return derived;
  if (derived.dtype === node.dtype && sameShape(derived.shape, node.shape)) return undefined;
  return `its inputs give ${derived.dtype}[${derived.shape.join(", ")}]`;
}

function derive(node: Node): string | ValueType {
  if (isLeaf(node.op)) return leafRules[node.op](node as never);
  try {
    if (node.op === "result") return extraResultType(node.inputs[0]!, (node.params as OpParams["result"]).index);
    return (shapeRules[node.op] as (inputs: readonly Node[], params: OpParams[Op]) => ValueType)(
      node.inputs,
      node.params,
    );
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * Checks a whole graph: the type of every value, the names, and that the inputs give each symbolic dimension a size.
 * Throws E_SHAPE naming the first wrong line as `print` shows it.
 */
export function check(graph: Graph): void {
  const names = nameValues(graph);
  const fail = (node: Node, fault: string): never => {
    throw new AppError("E_SHAPE", `${printNode(node, names)}: ${fault}`);
  };
  const nodes = topological(Object.values(graph.outputs));
  const taken = new Map<string, Node>();
  for (const node of nodes) {
    const fault = faultOf(node);
    if (fault !== undefined) fail(node, fault);
    if (node.op !== "input" && node.op !== "weight") continue;
    const { name } = node.params as { name: string };
    if (taken.has(name)) fail(node, `the name "${name}" is taken by another ${taken.get(name)!.op}`);
    taken.set(name, node);
  }
  for (const [name, node] of Object.entries(graph.outputs))
    if (taken.has(name)) fail(node, `the result "${name}" has the name of the ${taken.get(name)!.op}`);
  const given = new Set([...taken.values()].flatMap(({ shape }) => symbolsOf(shape)));
  for (const node of nodes) {
    const open = usedSymbols(node).find((symbol) => !given.has(symbol));
    if (open !== undefined) fail(node, `dimension "${open}" is in the shape of no input`);
  }
}

/** Symbols of the result's shape and of `size`, whose result has none. */
function usedSymbols({ op, params, shape }: Node): readonly string[] {
  return symbolsOf(op === "size" ? (params as { dims: Shape }).dims : shape);
}
