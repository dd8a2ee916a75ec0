/** @file The graph: every op, its parameters, and the node they make. All tables are typed by `Op`. */

/** A dimension: a number, or a symbolic product such as `"batch"` or `"4*batch*seq"` (see dims.ts). */
export type Dim = number | string;
export type Shape = readonly Dim[];
export type DType = "f32" | "i64" | "bool" | "u8";

type None = Record<never, never>;

/** The parameters of every op. Inputs are described as `name (shape)`. */
export type OpParams = {
  /** Fed at every run. */
  input: { readonly name: string };
  /** Frozen values, bound once when the graph is compiled. */
  weight: { readonly name: string };
  /** A small literal tensor, row-major. */
  constant: { readonly data: readonly number[] };

  // Element by element, with NumPy broadcasting.
  add: None;
  sub: None;
  mul: None;
  div: None;
  neg: None;
  exp: None;
  log: None;
  sqrt: None;
  sigmoid: None;
  silu: None;
  /** In its tanh form: x · ½(1 + tanh(√(2/π)(x + 0.044715 x³))). */
  gelu: None;
  relu: None;
  /** min(max(x, low), high) */
  clamp: { readonly low: number; readonly high: number };
  /** a < b, as bool. */
  less: None;
  /** a = b, as bool. */
  equal: None;
  /** condition ? a : b */
  where: None;
  cast: { readonly dtype: DType };

  // Reductions.
  sum: { readonly axes: readonly number[]; readonly keepDims: boolean };
  max: { readonly axes: readonly number[]; readonly keepDims: boolean };

  // Shapes.
  reshape: { readonly shape: Shape };
  transpose: { readonly perm: readonly number[] };
  broadcast: { readonly shape: Shape };
  concat: { readonly axis: number };
  slice: { readonly axis: number; readonly start: number; readonly end: number };
  /** Zeros before and after along one axis: the gradient of slice. */
  pad: { readonly axis: number; readonly before: number; readonly after: number };
  /** 0, 1, …, dim-1 as i64 (dim). */
  iota: { readonly dim: Dim };
  /** The product of dimensions as an f32 scalar. */
  size: { readonly dims: Shape };

  // Indexing.
  /** table (rows, …), indices (…) i64 → (indices…, …) */
  gather: None;
  /** indices (…) i64, updates (indices…, …) → (rows, …): the gradient of gather. */
  scatterAdd: { readonly rows: Dim };
  /** x (…, n) → f32 mask (…, n) with ones at the k largest entries of each row. */
  topKMask: { readonly k: number };

  // Linear algebra.
  /** alpha · op(a) op(b) over the last two axes, leading axes broadcast. */
  matmul: { readonly transA: boolean; readonly transB: boolean; readonly alpha: number };
  /** x (…, k) times a weight (n, k) quantised in blocks along k. Inputs: x, packed (n, k/block, bytes) u8, scales (n·k/block), zero points? u8. */
  matmulNBits: { readonly n: number; readonly k: number; readonly bits: 4 | 8; readonly blockSize: number };
  /** The weight (n, k) of matmulNBits as f32. Inputs: packed, scales, zero points?. */
  dequantize: { readonly n: number; readonly k: number; readonly bits: 4 | 8; readonly blockSize: number };

  // Fused operators of ONNX Runtime.
  /** Over the last axis. */
  softmax: None;
  /** x / sqrt(mean(x²) + epsilon) · scale over the last axis. Inputs: x (…, d), scale (d). */
  rmsNorm: { readonly epsilon: number };
  /** (x − mean) / sqrt(variance + epsilon) · scale + bias over the last axis. Inputs: x (…, d), scale (d), bias (d). */
  layerNorm: { readonly epsilon: number };
  /** Rotary positions, halves rotated. Inputs: x (b, heads, t, d) or (b, t, heads·d), positions (b, t) i64, cos (s, d/2), sin (s, d/2). */
  rope: None;
  /** −log softmax(logits)[target] per row. Inputs: logits (n, v), targets (n) i64. */
  crossEntropy: None;
  /**
   * Causal attention with a key–value cache and grouped queries.
   * Inputs: q (b, t, heads·d), k, v (b, t, kvHeads·d), past k, past v (b, kvHeads, capacity, d), last position of each row (b) i32 as i64,
   * total length () as i64. Results: 0 output (b, t, heads·d), 1 present k, 2 present v (shapes of past).
   */
  cachedAttention: {
    readonly heads: number;
    readonly kvHeads: number;
    readonly scale: number;
    /** The positions a token sees, itself among them; 0: all before it. */
    readonly window: number;
    /** Scores x become cap · tanh(x / cap); 0: they stay as they are. */
    readonly cap: number;
  };
  /** A further result of an op with several. */
  result: { readonly index: number };
};

export type Op = keyof OpParams;

/** One value of the graph. Immutable; identity is what makes two uses the same value. */
export type Node<P extends Op = Op> = {
  readonly op: P;
  readonly inputs: readonly Node[];
  readonly params: OpParams[P];
  readonly shape: Shape;
  readonly dtype: DType;
};

/** The shape and type of a value. */
export type ValueType = { readonly shape: Shape; readonly dtype: DType };

/** What is compiled: named results. Inputs and weights are found by walking up. */
export type Graph = { readonly outputs: Readonly<Record<string, Node>> };

/** Narrows a node to one op. */
export function isOp<P extends Op>(node: Node, op: P): node is Node<P> {
  return node.op === op;
}
