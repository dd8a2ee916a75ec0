/** @file The shape and type of every op's result, checked as the node is made. */
import { AppError } from "../base/errors.ts";
import { broadcastShapes, divDims, mulDims, sameShape, sizeOf } from "./dims.ts";
import type { Dim, DType, Node, Op, OpParams, Shape, ValueType } from "./types.ts";

type ShapeRule<P extends Op> = (inputs: readonly Node[], params: OpParams[P]) => ValueType;

/** Ops whose type the caller states: leaves have no inputs to infer it from. */
export type Leaf = "input" | "weight" | "constant";

const fail = (message: string): never => {
  throw new AppError("E_SHAPE", message);
};

const f32 = (shape: Shape): ValueType => ({ shape, dtype: "f32" });

function wantType(what: string, node: Node, dtype: DType): void {
  if (node.dtype !== dtype) throw new AppError("E_DTYPE", `${what}: expected ${dtype}, found ${node.dtype}`);
}

function wantLastAxis(what: string, { shape }: Node, x: Node): void {
  if (shape.length !== 1 || shape[0] !== x.shape.at(-1))
    fail(`${what} [${shape}] must fit the last axis of [${x.shape}]`);
}

const binary =
  (op: string) =>
  ([a, b]: readonly Node[]): ValueType => {
    if (a!.dtype !== b!.dtype)
      throw new AppError("E_DTYPE", `${op}: types must match, found ${a!.dtype} and ${b!.dtype}`);
    return { shape: broadcastShapes(op, a!.shape, b!.shape), dtype: a!.dtype };
  };

const unary =
  (op: string) =>
  ([x]: readonly Node[]): ValueType => {
    wantType(op, x!, "f32");
    return f32(x!.shape);
  };

function reduced(op: string, [x]: readonly Node[], { axes, keepDims }: OpParams["sum"]): ValueType {
  const { shape, dtype } = x!;
  for (const axis of axes) if (axis < 0 || axis >= shape.length) fail(`${op}: axis ${axis} is not in [${shape}]`);
  const kept = shape.map((dim, i): Dim | undefined => (axes.includes(i) ? (keepDims ? 1 : undefined) : dim));
  return { shape: kept.filter((dim) => dim !== undefined), dtype };
}

/** The result type of `op`, or an E_SHAPE / E_DTYPE error that names what was expected and found. */
export const shapeRules: { readonly [P in Exclude<Op, Leaf | "result">]: ShapeRule<P> } = {
  add: binary("add"),
  sub: binary("sub"),
  mul: binary("mul"),
  div: binary("div"),
  neg: unary("neg"),
  exp: unary("exp"),
  log: unary("log"),
  sqrt: unary("sqrt"),
  sigmoid: unary("sigmoid"),
  silu: unary("silu"),
  gelu: unary("gelu"),
  relu: unary("relu"),
  clamp: unary("clamp"),
  less: (inputs) => ({ shape: binary("less")(inputs).shape, dtype: "bool" }),
  equal: (inputs) => ({ shape: binary("equal")(inputs).shape, dtype: "bool" }),
  where: ([condition, a, b]) => {
    wantType("where", condition!, "bool");
    const values = binary("where")([a!, b!]);
    return { shape: broadcastShapes("where", condition!.shape, values.shape), dtype: values.dtype };
  },
  cast: ([x], { dtype }) => ({ shape: x!.shape, dtype }),
  sum: (inputs, params) => reduced("sum", inputs, params),
  max: (inputs, params) => reduced("max", inputs, params),
  reshape: ([x], { shape }) => {
    if (sizeOf(x!.shape) !== sizeOf(shape)) fail(`reshape: sizes must match, got [${x!.shape}] to [${shape}]`);
    return { shape, dtype: x!.dtype };
  },
  transpose: ([x], { perm }) => {
    const sorted = [...perm].sort((a, b) => a - b);
    if (perm.length !== x!.shape.length || sorted.some((axis, i) => axis !== i)) {
      fail(`transpose: [${perm}] does not permute the axes of [${x!.shape}]`);
    }
    return { shape: perm.map((axis) => x!.shape[axis]!), dtype: x!.dtype };
  },
  broadcast: ([x], { shape }) => {
    if (!sameShape(broadcastShapes("broadcast", x!.shape, shape), shape))
      fail(`broadcast: [${x!.shape}] does not fit [${shape}]`);
    return { shape, dtype: x!.dtype };
  },
  concat: (inputs, { axis }) => {
    const first = inputs[0]!;
    let total = 0;
    for (const { shape, dtype } of inputs) {
      const rest = shape.length === first.shape.length && shape.every((dim, i) => i === axis || dim === first.shape[i]);
      const dim = shape[axis];
      if (!rest || dtype !== first.dtype) fail(`concat: [${shape}] does not join [${first.shape}] along axis ${axis}`);
      if (typeof dim !== "number") return fail(`concat: axis ${axis} must have a known size, got [${shape}]`);
      total += dim;
    }
    return { shape: first.shape.map((dim, i) => (i === axis ? total : dim)), dtype: first.dtype };
  },
  slice: ([x], { axis, start, end }) => {
    const dim = x!.shape[axis];
    if (typeof dim !== "number" || start < 0 || end > dim || start >= end) {
      fail(`slice: [${start}, ${end}) along axis ${axis} does not fit [${x!.shape}]`);
    }
    return { shape: x!.shape.map((d, i) => (i === axis ? end - start : d)), dtype: x!.dtype };
  },
  pad: ([x], { axis, before, after }) => {
    const dim = x!.shape[axis];
    if (typeof dim !== "number") return fail(`pad: axis ${axis} of [${x!.shape}] must have a known size`);
    return { shape: x!.shape.map((d, i) => (i === axis ? dim + before + after : d)), dtype: x!.dtype };
  },
  iota: (_, { dim }) => ({ shape: [dim], dtype: "i64" }),
  size: () => f32([]),
  gather: ([table, indices]) => {
    wantType("gather", indices!, "i64");
    return { shape: [...indices!.shape, ...table!.shape.slice(1)], dtype: table!.dtype };
  },
  scatterAdd: ([indices, updates], { rows }) => {
    wantType("scatterAdd", indices!, "i64");
    const lead = updates!.shape.slice(0, indices!.shape.length);
    if (!sameShape(lead, indices!.shape))
      fail(`scatterAdd: updates [${updates!.shape}] must begin with [${indices!.shape}]`);
    return f32([rows, ...updates!.shape.slice(indices!.shape.length)]);
  },
  topKMask: ([x], { k }) => {
    const n = x!.shape.at(-1);
    if (typeof n !== "number" || k < 1 || k > n) fail(`topKMask: k = ${k} does not fit the last axis of [${x!.shape}]`);
    return f32(x!.shape);
  },
  matmul: ([a, b], { transA, transB }) => {
    wantType("matmul", a!, "f32");
    wantType("matmul", b!, "f32");
    if (a!.shape.length < 2 || b!.shape.length < 2)
      fail(`matmul: both sides need two axes, got [${a!.shape}] and [${b!.shape}]`);
    const [rows, innerA] = transA ? [a!.shape.at(-1)!, a!.shape.at(-2)!] : [a!.shape.at(-2)!, a!.shape.at(-1)!];
    const [innerB, columns] = transB ? [b!.shape.at(-1)!, b!.shape.at(-2)!] : [b!.shape.at(-2)!, b!.shape.at(-1)!];
    if (innerA !== innerB)
      fail(
        `matmul: inner dims must match, got [${a!.shape}] and [${b!.shape}] (${transA ? "T" : "N"}${transB ? "T" : "N"})`,
      );
    return f32([...broadcastShapes("matmul", a!.shape.slice(0, -2), b!.shape.slice(0, -2)), rows, columns]);
  },
  matmulNBits: ([x], { n, k }) => {
    if (x!.shape.at(-1) !== k) fail(`matmulNBits: inner dim must be ${k}, got [${x!.shape}]`);
    return f32([...x!.shape.slice(0, -1), n]);
  },
  dequantize: (_, { n, k }) => f32([n, k]),
  softmax: unary("softmax"),
  rmsNorm: ([x, scale]) => {
    wantLastAxis("rmsNorm: scale", scale!, x!);
    return f32(x!.shape);
  },
  layerNorm: ([x, scale, bias]) => {
    wantLastAxis("layerNorm: scale", scale!, x!);
    wantLastAxis("layerNorm: bias", bias!, x!);
    return f32(x!.shape);
  },
  rope: ([x, positions, cos, sin]) => {
    wantType("rope positions", positions!, "i64");
    const isSplit = x!.shape.length === 4;
    const [batch, time] = isSplit ? [x!.shape[0], x!.shape[2]] : x!.shape;
    const half = cos!.shape[1] ?? 1;
    const width = x!.shape.at(-1) ?? 1;
    const hasRoom = isSplit ? half === divDims(width, 2) : divDims(width, mulDims(half, 2)) !== undefined;
    const fits = (isSplit || x!.shape.length === 3) && hasRoom && sameShape(positions!.shape, [batch!, time!]);
    if (!fits || !sameShape(cos!.shape, sin!.shape))
      fail(
        `rope: x [${x!.shape}], positions [${positions!.shape}], cos [${cos!.shape}], sin [${sin!.shape}] do not fit`,
      );
    return f32(x!.shape);
  },
  crossEntropy: ([logits, targets]) => {
    wantType("crossEntropy targets", targets!, "i64");
    if (logits!.shape.length !== 2 || !sameShape(targets!.shape, logits!.shape.slice(0, 1))) {
      fail(`crossEntropy: expected logits (n, v) and targets (n), got [${logits!.shape}] and [${targets!.shape}]`);
    }
    return f32([logits!.shape[0]!]);
  },
  cachedAttention: ([q, k, v, pastK, pastV], { heads, kvHeads }) => {
    const width = divDims(q!.shape[2] ?? 1, heads);
    const fits = width !== undefined && k!.shape[2] === mulDims(width, kvHeads) && sameShape(k!.shape, v!.shape);
    if (!fits || !sameShape(pastK!.shape, pastV!.shape) || pastK!.shape[1] !== kvHeads || pastK!.shape[3] !== width) {
      fail(
        `cachedAttention: q [${q!.shape}], k [${k!.shape}], past [${pastK!.shape}] do not fit ${heads} heads over ${kvHeads}`,
      );
    }
    return f32(q!.shape);
  },
};

/** The types of the further results of ops that have several: index 1 and up. */
export function extraResultType(node: Node, index: number): ValueType {
  if (node.op === "cachedAttention" && (index === 1 || index === 2)) return f32(node.inputs[2 + index]!.shape);
  throw new Error(`internal: ${node.op} has no result ${index}`);
}
