/** @file Functions that make nodes: the vocabulary in which models are written. */
import { AppError } from "../base/errors.ts";
import { divDims, mulDims } from "./dims.ts";
import { extraResultType, type Leaf, shapeRules } from "./shape.ts";
import type { Dim, DType, Node, Op, OpParams, Shape } from "./types.ts";

/** Makes a node, its type inferred and checked. */
export function make<P extends Exclude<Op, Leaf | "result">>(
  op: P,
  inputs: readonly Node[],
  params: OpParams[P],
): Node<P> {
  const rule = shapeRules[op] as (inputs: readonly Node[], params: OpParams[P]) => { shape: Shape; dtype: DType };
  return { op, inputs, params, ...rule(inputs, params) };
}

const none = {};

/** A value fed at every run. */
export const input = (name: string, shape: Shape, dtype: DType = "f32"): Node<"input"> => ({
  op: "input",
  inputs: [],
  params: { name },
  shape,
  dtype,
});

/** A frozen value bound at compile time. */
export const weight = (name: string, shape: Shape, dtype: DType = "f32"): Node<"weight"> => ({
  op: "weight",
  inputs: [],
  params: { name },
  shape,
  dtype,
});

/** A literal. `data` is row-major; a number alone makes a scalar. */
export function constant(data: number | readonly number[], shape: Shape = [], dtype: DType = "f32"): Node<"constant"> {
  const values = typeof data === "number" ? [data] : data;
  if (mulDims(...shape) !== values.length)
    throw new AppError("E_SHAPE", `constant: ${values.length} values do not fill [${shape}]`);
  return { op: "constant", inputs: [], params: { data: values }, shape, dtype };
}

export const add = (a: Node, b: Node): Node => make("add", [a, b], none);
export const sub = (a: Node, b: Node): Node => make("sub", [a, b], none);
export const mul = (a: Node, b: Node): Node => make("mul", [a, b], none);
export const div = (a: Node, b: Node): Node => make("div", [a, b], none);
export const neg = (x: Node): Node => make("neg", [x], none);
export const exp = (x: Node): Node => make("exp", [x], none);
export const log = (x: Node): Node => make("log", [x], none);
export const sqrt = (x: Node): Node => make("sqrt", [x], none);
export const sigmoid = (x: Node): Node => make("sigmoid", [x], none);
/** x · sigmoid(x) */
export const silu = (x: Node): Node => make("silu", [x], none);
/** x · ½(1 + tanh(√(2/π)(x + 0.044715 x³))) */
export const gelu = (x: Node): Node => make("gelu", [x], none);
export const relu = (x: Node): Node => make("relu", [x], none);
/** min(max(x, low), high) */
export const clamp = (x: Node, low: number, high: number): Node => make("clamp", [x], { low, high });
export const less = (a: Node, b: Node): Node => make("less", [a, b], none);
export const equal = (a: Node, b: Node): Node => make("equal", [a, b], none);
export const where = (condition: Node, a: Node, b: Node): Node => make("where", [condition, a, b], none);
export const cast = (x: Node, dtype: DType): Node => (x.dtype === dtype ? x : make("cast", [x], { dtype }));
/** x · factor */
export const scale = (x: Node, factor: number): Node => mul(x, constant(factor));

const allAxes = (x: Node): number[] => x.shape.map((_, i) => i);
const positive = (x: Node, axes: readonly number[]): number[] =>
  axes.map((axis) => (axis < 0 ? axis + x.shape.length : axis));

type Reduction = { readonly keepDims?: boolean };
/** Sum over axes (all by default; negative axes count from the end). */
export const sum = (x: Node, axes: readonly number[] = allAxes(x), { keepDims = false }: Reduction = {}): Node =>
  axes.length === 0 ? x : make("sum", [x], { axes: positive(x, axes), keepDims });
export const max = (x: Node, axes: readonly number[] = allAxes(x), { keepDims = false }: Reduction = {}): Node =>
  make("max", [x], { axes: positive(x, axes), keepDims });
/** The mean over axes, also over symbolic ones. */
export function mean(x: Node, axes: readonly number[] = allAxes(x), options: Reduction = {}): Node {
  const dims = positive(x, axes).map((axis) => x.shape[axis]!);
  return div(sum(x, axes, options), size(dims));
}

export const reshape = (x: Node, shape: Shape): Node => make("reshape", [x], { shape });
export const transpose = (x: Node, perm: readonly number[]): Node => make("transpose", [x], { perm });
export const broadcast = (x: Node, shape: Shape): Node => make("broadcast", [x], { shape });
export const concat = (inputs: readonly Node[], axis: number): Node =>
  inputs.length === 1 ? inputs[0]! : make("concat", inputs, { axis });
export const slice = (x: Node, axis: number, start: number, end: number): Node =>
  make("slice", [x], { axis, start, end });
export const pad = (x: Node, axis: number, before: number, after: number): Node =>
  make("pad", [x], { axis, before, after });
export const iota = (dim: Dim): Node => make("iota", [], { dim });
export const size = (dims: Shape): Node => {
  const product = mulDims(...dims);
  return typeof product === "number" ? constant(product) : make("size", [], { dims });
};
/** All leading axes folded into one: (…, d) → (n, d). */
export function flattenRows(x: Node): Node {
  if (x.shape.length === 2) return x;
  return reshape(x, [mulDims(...x.shape.slice(0, -1)), x.shape.at(-1)!]);
}
/** The last axis split in two: (…, a·b) → (…, a, b). */
export function splitLast(x: Node, parts: number): Node {
  const width = divDims(x.shape.at(-1)!, parts);
  if (width === undefined) throw new AppError("E_SHAPE", `splitLast: [${x.shape}] does not split into ${parts} parts`);
  return reshape(x, [...x.shape.slice(0, -1), parts, width]);
}

/** Rows of a table: (v, …) at indices (…) i64. */
export const gather = (table: Node, indices: Node): Node => make("gather", [table, indices], none);
export const scatterAdd = (indices: Node, updates: Node, rows: Dim): Node =>
  make("scatterAdd", [indices, updates], { rows });
export const topKMask = (x: Node, k: number): Node => make("topKMask", [x], { k });

type Product = { readonly transA?: boolean; readonly transB?: boolean; readonly alpha?: number };
/** alpha · op(a) op(b) over the last two axes. */
export const matmul = (a: Node, b: Node, { transA = false, transB = false, alpha = 1 }: Product = {}): Node =>
  make("matmul", [a, b], { transA, transB, alpha });
export const matmulNBits = (inputs: readonly Node[], params: OpParams["matmulNBits"]): Node =>
  make("matmulNBits", inputs, params);
export const dequantize = (inputs: readonly Node[], params: OpParams["dequantize"]): Node =>
  make("dequantize", inputs, params);

export const softmax = (x: Node): Node => make("softmax", [x], none);
export const rmsNorm = (x: Node, scale: Node, epsilon: number): Node => make("rmsNorm", [x, scale], { epsilon });
export const layerNorm = (x: Node, scale: Node, bias: Node, epsilon: number): Node =>
  make("layerNorm", [x, scale, bias], { epsilon });
export const rope = (x: Node, positions: Node, cos: Node, sin: Node): Node =>
  make("rope", [x, positions, cos, sin], none);
export const crossEntropy = (logits: Node, targets: Node): Node => make("crossEntropy", [logits, targets], none);

export type CachedAttention = { readonly output: Node; readonly presentK: Node; readonly presentV: Node };
/** Attention over a cache; see `OpParams.cachedAttention` for shapes. */
export function cachedAttention(inputs: readonly Node[], params: OpParams["cachedAttention"]): CachedAttention {
  const output = make("cachedAttention", inputs, params);
  return { output, presentK: result(output, 1), presentV: result(output, 2) };
}

function result(node: Node, index: number): Node<"result"> {
  return { op: "result", inputs: [node], params: { index }, ...extraResultType(node, index) };
}

/** Rebuilds a node over other inputs, its type inferred again. */
export function rebuild(node: Node, inputs: readonly Node[]): Node {
  if (node.inputs.length === 0 || inputs.every((input, i) => input === node.inputs[i])) return node;
  if (node.op === "result") return result(inputs[0]!, (node.params as OpParams["result"]).index);
  return make(node.op as Exclude<Op, Leaf | "result">, inputs, node.params as never);
}
