/** @file The reference interpreter: what every op means, computed slowly in float64. The oracle of the tests. */
import { AppError } from "../base/errors.ts";
import { bindDims, type DimBinding, evaluateDim } from "./bind.ts";
import { attend, dequantized, presentCache } from "./interpret-fused.ts";
import {
  broadcastStrides,
  elementCount,
  fill,
  isArrayOf,
  numbersOf,
  pick,
  stridesOf,
  type Tensor,
  type Values,
  walk,
} from "./tensor.ts";
import { leavesOf, topological } from "./tree.ts";
import type { Graph, Node, Op, OpParams } from "./types.ts";

/** What a rule may ask besides its inputs. */
type Context = {
  /** The concrete shape of the result. */
  readonly shape: readonly number[];
  readonly binding: DimBinding;
  readonly leaf: (node: Node<"input"> | Node<"weight">) => Tensor;
  readonly tensorOf: (node: Node) => Tensor;
};

type Rule<P extends Op> = (inputs: readonly Tensor[], node: Node<P>, context: Context) => Values;

/** Element by element over tensors broadcast to the result. */
function elementwise(apply: (...values: (number | bigint)[]) => number | bigint): Rule<Op> {
  return (inputs, node, { shape }) => {
    const indices = inputs.map((x) => walk(shape, broadcastStrides(x.shape, shape)));
    return fill(node.dtype, elementCount(shape), (i) =>
      apply(...inputs.map((x, j) => x.data[indices[j]![i]!] as number | bigint)),
    );
  };
}

const unary = (apply: (x: number) => number): Rule<Op> => elementwise((x) => apply(x as number));

/** `big` is the same function for i64. */
const binary = (number: (a: number, b: number) => number, big: (a: bigint, b: bigint) => bigint): Rule<Op> =>
  elementwise((a, b) => (typeof a === "bigint" ? big(a, b as bigint) : number(a, b as number)));

const sigmoid = (x: number): number => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));

/** Folds the axes away. The first element of each group starts its fold. */
function reduce(combine: (a: never, b: never) => number | bigint): Rule<"sum" | "max"> {
  return ([x], { dtype, params: { axes } }, { shape }) => {
    const kept = x!.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
    const target = walk(x!.shape, broadcastStrides(kept, x!.shape));
    const folded = new Array<number | bigint | undefined>(elementCount(shape));
    x!.data.forEach((value: number | bigint, i: number) => {
      const before = folded[target[i]!];
      folded[target[i]!] = before === undefined ? value : combine(before as never, value as never);
    });
    return fill(dtype, folded.length, (i) => folded[i] ?? 0);
  };
}

/** Applies `row` to each slice along the last axis. */
function rows(x: Tensor, row: (values: Float64Array, out: Float64Array) => void): Float64Array {
  const width = x.shape.at(-1)!;
  const data = x.data as Float64Array;
  const out = new Float64Array(data.length);
  for (let at = 0; at < data.length; at += width) row(data.subarray(at, at + width), out.subarray(at, at + width));
  return out;
}

/** e^(x − max) of each value, their sum, and max: what is finite of a softmax, however large the values. */
function exponentials(values: Float64Array): {
  readonly shares: Float64Array;
  readonly total: number;
  readonly top: number;
} {
  const top = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const shares = values.map((value) => Math.exp(value - top));
  return { shares, total: shares.reduce((a, b) => a + b, 0), top };
}

/** Row numbers, each checked to lie in [0, count). */
function rowNumbers(what: string, indices: Tensor, count: number): number[] {
  const found = numbersOf(indices);
  const wrong = found.find((index) => index < 0 || index >= count);
  if (wrong !== undefined) throw new AppError("E_RUNTIME", `${what}: index ${wrong} is not in [0, ${count})`);
  return found;
}

function matmul(a: Tensor, b: Tensor, { transA, transB, alpha }: OpParams["matmul"], shape: readonly number[]): Values {
  const lead = shape.slice(0, -2);
  const [m, n] = shape.slice(-2) as [number, number];
  const inner = a.shape.at(transA ? -2 : -1)!;
  const [left, right] = [a, b].map((x) => {
    const strides = broadcastStrides(x.shape.slice(0, -2), lead);
    return walk(
      lead,
      strides.map((stride) => stride * elementCount(x.shape.slice(-2))),
    );
  });
  const [aRow, aInner] = transA ? [1, m] : [inner, 1];
  const [bInner, bColumn] = transB ? [1, inner] : [n, 1];
  const [ad, bd] = [a.data as Float64Array, b.data as Float64Array];
  const out = new Float64Array(elementCount(shape));
  let at = 0;
  for (let l = 0; l < elementCount(lead); l++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let total = 0;
        for (let k = 0; k < inner; k++)
          total += ad[left![l]! + i * aRow + k * aInner]! * bd[right![l]! + k * bInner + j * bColumn]!;
        out[at++] = alpha * total;
      }
  return out;
}

/** Reads x through other strides: transpose, broadcast, slice. */
const view = (x: Tensor, shape: readonly number[], strides: readonly number[], offset = 0): Values =>
  pick(x.data, walk(shape, strides, offset));

/** Writes `parts` one behind the other along an axis of zeros. */
function place(node: Node, shape: readonly number[], axis: number, parts: readonly Tensor[], start: number): Values {
  const out = fill(node.dtype, elementCount(shape), () => 0);
  const strides = stridesOf(shape);
  let from = start;
  for (const part of parts) {
    const target = walk(part.shape, strides, from * strides[axis]!);
    part.data.forEach((value: number | bigint, i: number) => {
      (out as Float64Array)[target[i]!] = value as number;
    });
    from += part.shape[axis]!;
  }
  return out;
}

export const rules: { readonly [P in Op]: Rule<P> } = {
  input: (_, node, { leaf }) => leaf(node).data,
  weight: (_, node, { leaf }) => leaf(node).data,
  constant: (_, { dtype, params: { data } }) => fill(dtype, data.length, (i) => data[i]!),

  add: binary(
    (a, b) => a + b,
    (a, b) => a + b,
  ),
  sub: binary(
    (a, b) => a - b,
    (a, b) => a - b,
  ),
  mul: binary(
    (a, b) => a * b,
    (a, b) => a * b,
  ),
  div: binary(
    (a, b) => a / b,
    (a, b) => a / b,
  ),
  neg: unary((x) => -x),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  sigmoid: unary(sigmoid),
  silu: unary((x) => x * sigmoid(x)),
  gelu: unary((x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))),
  relu: unary((x) => Math.max(x, 0)),
  clamp: ([x], { params: { low, high } }) =>
    (x!.data as Float64Array).map((value) => Math.min(Math.max(value, low), high)),
  less: elementwise((a, b) => Number(a! < b!)),
  equal: elementwise((a, b) => Number(a === b)),
  where: elementwise((condition, a, b) => (condition ? a! : b!)),
  cast: ([x], { dtype }) =>
    fill(dtype, x!.data.length, (i) => {
      const value = x!.data[i] as number | bigint;
      return dtype === "bool" ? Number(Number(value) !== 0) : value;
    }),

  sum: reduce((a: number, b: number) => a + b),
  max: reduce((a: number, b: number) => (a > b || Number.isNaN(a) ? a : b)),

  reshape: ([x]) => x!.data,
  transpose: ([x], { params: { perm } }, { shape }) => {
    const strides = stridesOf(x!.shape);
    return view(
      x!,
      shape,
      perm.map((axis) => strides[axis]!),
    );
  },
  broadcast: ([x], _, { shape }) => view(x!, shape, broadcastStrides(x!.shape, shape)),
  concat: (inputs, node, { shape }) => place(node, shape, node.params.axis, inputs, 0),
  slice: ([x], { params: { axis, start } }, { shape }) => {
    const strides = stridesOf(x!.shape);
    return view(x!, shape, strides, start * strides[axis]!);
  },
  pad: (inputs, node, { shape }) => place(node, shape, node.params.axis, inputs, node.params.before),
  iota: (_, { dtype }, { shape }) => fill(dtype, shape[0]!, (i) => i),
  size: (_, { params: { dims } }, { binding }) =>
    Float64Array.of(elementCount(dims.map((dim) => evaluateDim(dim, binding)))),

  gather: ([table, indices]) => {
    const width = elementCount(table!.shape.slice(1));
    const chosen = rowNumbers("gather", indices!, table!.shape[0]!);
    return pick(
      table!.data,
      chosen.flatMap((row) => Array.from({ length: width }, (_, j) => row * width + j)),
    );
  },
  scatterAdd: ([indices, updates], _, { shape }) => {
    const out = new Float64Array(elementCount(shape));
    const width = elementCount(shape.slice(1));
    rowNumbers("scatterAdd", indices!, shape[0]!).forEach((row, i) => {
      for (let j = 0; j < width; j++) out[row * width + j]! += updates!.data[i * width + j] as number;
    });
    return out;
  },
  // Of equal entries the one with the lower index wins, as in ONNX TopK.
  topKMask: ([x], { params: { k } }) =>
    rows(x!, (values, out) => {
      const ranked = Array.from(values.keys()).sort((i, j) => values[j]! - values[i]! || i - j);
      for (const i of ranked.slice(0, k)) out[i] = 1;
    }),

  matmul: ([a, b], { params }, { shape }) => matmul(a!, b!, params, shape),
  matmulNBits: ([x, ...packed], { params }, { shape }) => {
    const weight: Tensor = { shape: [params.n, params.k], dtype: "f32", data: dequantized(packed, params) };
    return matmul(x!, weight, { transA: false, transB: true, alpha: 1 }, shape);
  },
  dequantize: (packed, { params }) => dequantized(packed, params),

  softmax: ([x]) =>
    rows(x!, (values, out) => {
      const { shares, total } = exponentials(values);
      out.set(shares.map((share) => share / total));
    }),
  rmsNorm: ([x, scale], { params: { epsilon } }) =>
    rows(x!, (values, out) => {
      const meanSquare = values.reduce((total, value) => total + value * value, 0) / values.length;
      values.forEach((value, i) => {
        out[i] = (value / Math.sqrt(meanSquare + epsilon)) * (scale!.data[i] as number);
      });
    }),
  layerNorm: ([x, scale, bias], { params: { epsilon } }) =>
    rows(x!, (values, out) => {
      const mean = values.reduce((total, value) => total + value, 0) / values.length;
      const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length;
      values.forEach((value, i) => {
        const normal = (value - mean) / Math.sqrt(variance + epsilon);
        out[i] = normal * (scale!.data[i] as number) + (bias!.data[i] as number);
      });
    }),
  // (a, b) → (a cos − b sin, b cos + a sin) for the halves a, b of each head.
  rope: ([x, positions, cos, sin]) => {
    const [heads, time] = x!.shape.length === 4 ? [x!.shape[1]!, x!.shape[2]!] : [1, x!.shape[1]!];
    const half = cos!.shape[1]!;
    const at = rowNumbers("rope", positions!, cos!.shape[0]!);
    let row = 0;
    return rows(x!, (values, out) => {
      const batch = Math.floor(row / (heads * time));
      const base = at[batch * time + (row % time)]! * half;
      row++;
      for (let head = 0; head < values.length; head += 2 * half)
        for (let j = 0; j < half; j++) {
          const [c, s] = [cos!.data[base + j] as number, sin!.data[base + j] as number];
          const [a, b] = [values[head + j]!, values[head + j + half]!];
          out[head + j] = a * c - b * s;
          out[head + j + half] = b * c + a * s;
        }
    });
  },
  crossEntropy: ([logits, targets]) => {
    const classes = logits!.shape[1]!;
    const data = logits!.data as Float64Array;
    return Float64Array.from(rowNumbers("crossEntropy", targets!, classes), (target, i) => {
      const row = data.subarray(i * classes, (i + 1) * classes);
      const { total, top } = exponentials(row);
      return Math.log(total) + (top - row[target]!);
    });
  },
  cachedAttention: (inputs, { params }) => attend(inputs, params),
  result: (_, { inputs: [attention], params: { index } }, { tensorOf }) =>
    presentCache(attention!.inputs.map(tensorOf), index === 1 ? "key" : "value"),
};

/** One node's value from its inputs' values, for nodes that are neither leaves nor further results. */
export function evaluate(node: Node, inputs: readonly Tensor[], binding: DimBinding = new Map()): Tensor {
  const refuse = (): never => {
    throw new Error(`internal: ${node.op} cannot be evaluated alone`);
  };
  return apply(node, inputs, { binding, leaf: refuse, tensorOf: refuse });
}

function apply(node: Node, inputs: readonly Tensor[], context: Omit<Context, "shape">): Tensor {
  const shape = node.shape.map((dim) => evaluateDim(dim, context.binding));
  return { shape, dtype: node.dtype, data: (rules[node.op] as Rule<Op>)(inputs, node, { ...context, shape }) };
}

/** Values for the inputs and weights of a graph, by name. */
export type Feeds = {
  readonly inputs?: Readonly<Record<string, Tensor>>;
  readonly weights?: Readonly<Record<string, Tensor>>;
};

/**
 * The values of a graph's outputs. Symbolic dimensions take the sizes of the given tensors.
 * Throws E_SHAPE where those contradict the graph or each other, E_DTYPE for a wrong type, E_NOT_FOUND for a missing one.
 */
export function interpret(graph: Graph, { inputs = {}, weights = {} }: Feeds): Record<string, Tensor> {
  const leaves = [
    ...[...leavesOf(graph, "input")].map(([name, node]) => ({ name, node: node as Node, given: inputs[name] })),
    ...[...leavesOf(graph, "weight")].map(([name, node]) => ({ name, node: node as Node, given: weights[name] })),
  ];
  const given = new Map(leaves.map(({ name, node, given }) => [node, checked(node, name, given)]));
  const binding = bindDims(
    leaves.map(({ name, node }) => ({
      what: `${node.op} "${name}"`,
      shape: node.shape,
      sizes: given.get(node)!.shape,
    })),
  );
  const values = new Map<Node, Tensor>();
  const tensorOf = (node: Node): Tensor => values.get(node)!;
  const leaf = (node: Node): Tensor => given.get(node)!;
  for (const node of topological(Object.values(graph.outputs))) {
    values.set(node, apply(node, node.inputs.map(tensorOf), { binding, leaf, tensorOf }));
  }
  return Object.fromEntries(Object.entries(graph.outputs).map(([name, node]) => [name, tensorOf(node)]));
}

function checked(node: Node, name: string, given: Tensor | undefined): Tensor {
  const what = `${node.op} "${name}"`;
  if (given === undefined) throw new AppError("E_NOT_FOUND", `${what} has no value`);
  if (given.dtype !== node.dtype || !isArrayOf(given.dtype, given.data))
    throw new AppError(
      "E_DTYPE",
      `${what}: expected ${node.dtype}, found ${given.dtype} in ${given.data.constructor.name}`,
    );
  if (given.data.length !== elementCount(given.shape))
    throw new AppError("E_SHAPE", `${what}: ${given.data.length} values do not fill [${given.shape}]`);
  return given;
}
