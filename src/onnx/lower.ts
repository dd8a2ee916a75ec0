/** @file Lowering: a graph to an ONNX model, one rule per op, with ONNX Runtime's fused operators. */
import { AppError } from "../base/errors.ts";
import { dimFactors } from "../graph/dims.ts";
import { leavesOf, topological } from "../graph/tree.ts";
import type { Dim, Graph, Node, Op, OpParams, Shape } from "../graph/types.ts";
import { findBiases } from "./biases.ts";
import { createEmitter, type DimSource, type Emitter } from "./emitter.ts";
import { encodeModel, type OnnxInitializer, type OnnxNode, onnxTypeCode } from "./proto.ts";

/** Where the value of a weight lies: a span of a file, or bytes that travel inside the model. */
export type WeightPlacement = OnnxInitializer["value"] & {
  /** How the bytes are stored where that is not the weight's own type; the model widens them. */
  readonly storedAs?: "f16" | "bf16";
};

type Lowering<P extends Op> = (
  context: Emitter,
  inputs: readonly string[],
  node: Node<P>,
) => string | readonly string[];

const plain =
  (opType: string) =>
  (context: Emitter, inputs: readonly string[]): string =>
    context.emit(opType, inputs);

const contrib = "com.microsoft";

function reduce(opType: string) {
  return (context: Emitter, [x]: readonly string[], { params }: Node<"sum" | "max">): string =>
    context.emit(opType, [x!, context.ints(params.axes)], { attributes: { keepdims: params.keepDims ? 1 : 0 } });
}

/** Reshape needs a run-time shape only where neither 0 (copy) nor one -1 (infer) can say it. */
function lowerReshape(
  context: Emitter,
  [x]: readonly string[],
  { inputs, params: { shape } }: Node<"reshape">,
): string {
  const from = inputs[0]!.shape;
  const target = shape.map((dim, i): Dim => (typeof dim !== "number" && from[i] === dim ? 0 : dim));
  const open = target.filter((dim) => typeof dim !== "number").length;
  if (open > 1 || shape.includes(0)) return context.emit("Reshape", [x!, context.shapeVector(shape)]);
  return context.emit("Reshape", [x!, context.ints(target.map((dim) => (typeof dim === "number" ? dim : -1)))]);
}

/**
 * ONNX Runtime turns a transposed left side again for every 128 columns of the right one, and its product reads a large left side best:
 * here the smaller of the two sides is turned once, before the product or with it.
 */
function lowerMatmul(context: Emitter, [a, b]: readonly string[], { inputs, params, shape }: Node<"matmul">): string {
  const { transA, transB, alpha } = params;
  const swapped = (x: string, { length: rank }: Shape): string => {
    const perm = Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
    return context.emit("Transpose", [x], { attributes: { perm } });
  };
  if (!transA) return product(context, [a!, b!], { transB, alpha });
  const [left, right] = inputs as [Node, Node];
  if (!isLarger(shape.at(-2)!, shape.at(-1)!))
    return product(context, [swapped(a!, left.shape), b!], { transB, alpha });
  const turned = transB ? b! : swapped(b!, right.shape); // y = aᵀ b = (bᵀ a)ᵀ
  return swapped(product(context, [turned, a!], { transB: false, alpha }), shape);
}

/** Symbols stand for what grows: batches and sequences. */
const isLarger = (a: Dim, b: Dim): boolean =>
  typeof a === "number" && typeof b === "number" ? a > b : typeof a !== "number";

function product(
  context: Emitter,
  inputs: readonly string[],
  { transB, alpha }: { readonly transB: boolean; readonly alpha: number },
): string {
  if (!transB && alpha === 1) return context.emit("MatMul", inputs);
  const attributes = { transA: 0, transB: transB ? 1 : 0, alpha: { float: alpha } };
  return context.emit("FusedMatMul", inputs, { domain: contrib, attributes });
}

function lowerTopKMask(context: Emitter, [x]: readonly string[], { inputs, params: { k } }: Node<"topKMask">): string {
  const n = inputs[0]!.shape.at(-1) as number;
  const [, indices] = context.emitMany(2, "TopK", [x!, context.ints([k])], {
    attributes: { axis: -1, largest: 1, sorted: 1 },
  });
  const hot = context.emit("OneHot", [indices!, context.ints([n]), context.literal([0, 1], [2], "f32")], {
    attributes: { axis: -1 },
  });
  return context.emit("ReduceSum", [hot, context.ints([-2])], { attributes: { keepdims: 0 } });
}

/** Zeros of the target shape, rows added at their index. */
function lowerScatterAdd(context: Emitter, [indices, updates]: readonly string[], node: Node<"scatterAdd">): string {
  const zeros = context.emit("Expand", [context.literal([0], [], "f32"), context.shapeVector(node.shape)]);
  const column = context.emit("Unsqueeze", [indices!, context.ints([-1])]);
  return context.emit("ScatterND", [zeros, column, updates!], { attributes: { reduction: "add" } });
}

/** The operator takes no scalars. */
function lowerGelu(context: Emitter, [x]: readonly string[], { shape }: Node<"gelu">): string {
  const gelu = (y: string) => context.emit("FastGelu", [y], { domain: contrib });
  return shape.length > 0
    ? gelu(x!)
    : context.emit("Squeeze", [gelu(context.emit("Unsqueeze", [x!, context.ints([0])]))]);
}

function lowerRmsNorm(context: Emitter, inputs: readonly string[], { params }: Node<"rmsNorm">): string {
  return context.emit("SimplifiedLayerNormalization", inputs, {
    attributes: { axis: -1, epsilon: { float: params.epsilon } },
  });
}

/** Not SoftmaxCrossEntropyLoss: ONNX Runtime unfolds it with two transpositions of all logits. */
function lowerCrossEntropy(context: Emitter, [logits, targets]: readonly string[]): string {
  const logProbabilities = context.emit("LogSoftmax", [logits!], { attributes: { axis: -1 } });
  const column = context.emit("Unsqueeze", [targets!, context.ints([1])]);
  const chosen = context.emit("GatherElements", [logProbabilities, column], { attributes: { axis: 1 } });
  return context.emit("Neg", [context.emit("Squeeze", [chosen, context.ints([1])])]);
}

/** Inputs: x, packed, scales, zero points?, and where a bias follows, an empty order of groups before it. */
function lowerMatmulNBits(context: Emitter, inputs: readonly string[], { params }: Node<"matmulNBits">): string {
  const { n, k, bits, blockSize } = params;
  // accuracy_level 4 (int8 activations) is what makes it fast on a CPU.
  const attributes = { N: n, K: k, bits, block_size: blockSize, accuracy_level: 4 };
  return context.emit("MatMulNBits", inputs, { domain: contrib, attributes });
}

/** (n, k) f32 = (q − zero) · scale. One row per block, so that a single operator with one scale and zero per row does it. */
function lowerDequantize(
  context: Emitter,
  [packed, scales, zeros]: readonly string[],
  { params }: Node<"dequantize">,
): string {
  const { n, k, bits, blockSize } = params;
  const blocks = Math.ceil(k / blockSize);
  /** The codes in rows of `padded`, of which the first `width` count. */
  const columns = (x: string, padded: number, width: number): string => {
    const rows = context.emit("Reshape", [x, context.ints([-1, padded])]);
    if (padded === width) return rows;
    return context.emit("Slice", [rows, context.ints([0]), context.ints([width]), context.ints([1])]);
  };
  const codes = (x: string): string => (bits === 8 ? x : lowerNibbles(context, x));
  const flat = (x: string): string => context.emit("Reshape", [x, context.ints([n * blocks])]);
  const zero =
    zeros === undefined
      ? context.emit("Expand", [context.literal([2 ** (bits - 1)], [], "u8"), context.ints([n * blocks])])
      : flat(columns(codes(zeros), bits === 8 ? blocks : 2 * Math.ceil(blocks / 2), blocks));
  const values = context.emit("DequantizeLinear", [columns(codes(packed!), blockSize, blockSize), scales!, zero], {
    attributes: { axis: 0 },
  });
  return columns(values, blocks * blockSize, k);
}

/** (…, bytes) → (…, bytes, 2): the low half of each byte, then the high one. */
function lowerNibbles(context: Emitter, x: string): string {
  const low = context.emit("BitwiseAnd", [x, context.literal([15], [], "u8")]);
  const high = context.emit("BitShift", [x, context.literal([4], [], "u8")], { attributes: { direction: "RIGHT" } });
  const parts = [low, high].map((part) => context.emit("Unsqueeze", [part, context.ints([-1])]));
  return context.emit("Concat", parts, { attributes: { axis: -1 } });
}

/** The fused attention takes heads whose size is a multiple of this. */
const headStep = 8;

/**
 * GroupQueryAttention without its own rotary: a growing cache that may be written in place. Heads of sizes that it does not take are filled
 * up with zeros, which change no score, and cut again; then the cache is copied in every step.
 */
function lowerCachedAttention(
  context: Emitter,
  inputs: readonly string[],
  { inputs: nodes, params }: Node<"cachedAttention">,
): readonly string[] {
  const [q, k, v, pastK, pastV, last, total] = inputs as [string, string, string, string, string, string, string];
  const { heads, kvHeads, scale, window, cap } = params;
  const toInt32 = (x: string) => context.emit("Cast", [x], { attributes: { to: onnxTypeCode("i32") } });
  const attributes = {
    num_heads: heads,
    kv_num_heads: kvHeads,
    scale: { float: scale },
    ...(window > 0 ? { local_window_size: window } : {}),
    ...(cap > 0 ? { softcap: { float: cap } } : {}),
  };
  const fused = (values: readonly string[]) =>
    context.emitMany(3, "GroupQueryAttention", [...values, toInt32(last), toInt32(total)], {
      domain: contrib,
      attributes,
    });
  const width = nodes[3]!.shape[3] as number;
  if (width % headStep === 0) return fused([q, k, v, pastK, pastV]);
  const filled = Math.ceil(width / headStep) * headStep;
  const zeros = context.ints([0, 0, 0, 0, 0, 0, 0, filled - width]);
  const fill = (x: string) => context.emit("Pad", [x, zeros]);
  // The present may be longer than the past. Were the filled past's shape known, ONNX Runtime would plan one buffer for both.
  const unknown = context.emit("Add", [zeros, context.emit("Sub", [total, total])]);
  const fillPast = (x: string) => context.emit("Pad", [x, unknown]);
  const cut = (x: string) => context.emit("Slice", [x, context.ints([0]), context.ints([width]), context.ints([3])]);
  const split = (x: string, count: number) => context.emit("Reshape", [x, context.ints([0, 0, count, -1])]);
  const join = (x: string) => context.emit("Reshape", [x, context.ints([0, 0, -1])]);
  const rows = (x: string, count: number) => join(fill(split(x, count)));
  const [output, presentK, presentV] = fused([
    rows(q, heads),
    rows(k, kvHeads),
    rows(v, kvHeads),
    fillPast(pastK),
    fillPast(pastV),
  ]);
  return [join(cut(split(output!, heads))), cut(presentK!), cut(presentV!)];
}

export const lowerings: { readonly [P in Exclude<Op, "input" | "weight" | "result">]: Lowering<P> } = {
  constant: (context, _, { params, shape, dtype }) => context.literal(params.data, shape as readonly number[], dtype),
  add: plain("Add"),
  sub: plain("Sub"),
  mul: plain("Mul"),
  div: plain("Div"),
  neg: plain("Neg"),
  exp: plain("Exp"),
  log: plain("Log"),
  sqrt: plain("Sqrt"),
  sigmoid: plain("Sigmoid"),
  silu: (context, inputs) =>
    context.emit("QuickGelu", inputs, { domain: contrib, attributes: { alpha: { float: 1 } } }),
  gelu: lowerGelu,
  relu: plain("Relu"),
  clamp: (context, [x], { params: { low, high } }) =>
    context.emit("Clip", [x!, context.literal([low], [], "f32"), context.literal([high], [], "f32")]),
  less: plain("Less"),
  equal: plain("Equal"),
  where: plain("Where"),
  cast: (context, inputs, { params }) =>
    context.emit("Cast", inputs, { attributes: { to: onnxTypeCode(params.dtype) } }),
  sum: reduce("ReduceSum"),
  max: reduce("ReduceMax"),
  reshape: lowerReshape,
  transpose: (context, inputs, { params }) => context.emit("Transpose", inputs, { attributes: { perm: params.perm } }),
  broadcast: (context, [x], { params }) => context.emit("Expand", [x!, context.shapeVector(params.shape)]),
  concat: (context, inputs, { params }) => context.emit("Concat", inputs, { attributes: { axis: params.axis } }),
  slice: (context, [x], { params: { axis, start, end } }) =>
    context.emit("Slice", [x!, context.ints([start]), context.ints([end]), context.ints([axis])]),
  pad: (context, [x], { shape, params: { axis, before, after } }) => {
    const pads = [...shape.map((_, i) => (i === axis ? before : 0)), ...shape.map((_, i) => (i === axis ? after : 0))];
    return context.emit("Pad", [x!, context.ints(pads)]);
  },
  iota: (context, _, { params }) => {
    const count = context.emit("Squeeze", [context.dimVector(params.dim)]);
    return context.emit("Range", [context.ints([0], { scalar: true }), count, context.ints([1], { scalar: true })]);
  },
  size: (context, _, { params }) => {
    const factors = params.dims.map((dim) => context.dimVector(dim));
    const product = factors.reduce((left, right) => context.emit("Mul", [left, right]));
    return context.emit("Cast", [context.emit("Squeeze", [product])], { attributes: { to: onnxTypeCode("f32") } });
  },
  gather: (context, inputs) => context.emit("Gather", inputs, { attributes: { axis: 0 } }),
  scatterAdd: lowerScatterAdd,
  topKMask: lowerTopKMask,
  matmul: lowerMatmul,
  matmulNBits: lowerMatmulNBits,
  dequantize: lowerDequantize,
  softmax: (context, inputs) => context.emit("Softmax", inputs, { attributes: { axis: -1 } }),
  rmsNorm: lowerRmsNorm,
  layerNorm: (context, inputs, { params }) =>
    context.emit("LayerNormalization", inputs, { attributes: { axis: -1, epsilon: { float: params.epsilon } } }),
  rope: (context, [x, positions, cos, sin]) =>
    context.emit("RotaryEmbedding", [x!, positions!, cos!, sin!], { domain: contrib }),
  crossEntropy: lowerCrossEntropy,
  cachedAttention: lowerCachedAttention,
};

/** The graph inputs from which each symbol can be read at run time. */
function findDimSources(graph: Graph): Map<string, DimSource> {
  const sources = new Map<string, DimSource>();
  for (const [name, node] of leavesOf(graph, "input")) {
    node.shape.forEach((dim, axis) => {
      const { coefficient, symbols } = dimFactors(dim);
      if (coefficient === 1 && symbols.length === 1 && !sources.has(symbols[0]!))
        sources.set(symbols[0]!, { name, axis });
    });
  }
  return sources;
}

export type LowerOptions = {
  /** The name of one more output, the first of all: a sequence without elements. */
  readonly emptySequence?: string | undefined;
  /** Shapes that outputs are declared with, where more is known of them than the graph says. */
  readonly outputShapes?: Readonly<Record<string, Shape>>;
};

/**
 * Lowers a graph to the bytes of an ONNX model.
 * @param place tells where each weight's bytes lie; its length must fit the declared shape
 * @throws E_SHAPE where a weight has a symbolic shape
 */
export function lower(
  graph: Graph,
  place: (name: string, node: Node<"weight">) => WeightPlacement,
  { emptySequence, outputShapes = {} }: LowerOptions = {},
): Uint8Array {
  const inputs = leavesOf(graph, "input");
  const weights = leavesOf(graph, "weight");
  const context = createEmitter(findDimSources(graph));
  const names = lowerNodes(context, Object.values(graph.outputs));
  const outputs = Object.entries(graph.outputs).map(([name, node]) => ({
    name,
    source: names.get(node)![0]!,
    type: { shape: outputShapes[name] ?? node.shape, dtype: node.dtype },
  }));
  const stored = [...weights].map(([name, node]) => storedWeight(name, node, place(name, node)));
  const sequences: OnnxNode[] =
    emptySequence === undefined
      ? []
      : [{ opType: "SequenceEmpty", domain: "", inputs: [], outputs: [emptySequence], attributes: {} }];
  return encodeModel({
    nodes: [...stored.flatMap(({ nodes }) => nodes), ...nameOutputs(context.nodes, outputs), ...sequences],
    initializers: [...context.initializers, ...stored.map(({ initializer }) => initializer)],
    inputs: [...inputs].map(([name, node]) => ({ name, type: { shape: node.shape, dtype: node.dtype } })),
    outputs: [
      ...sequences.map(({ outputs: [name] }) => ({ name: name!, type: { sequenceOf: "f32" } as const })),
      ...outputs,
    ],
  });
}

/** Gives each output its public name: its producer is renamed, or an Identity added where a value is a leaf or named already. */
function nameOutputs(
  nodes: readonly OnnxNode[],
  outputs: readonly { readonly name: string; readonly source: string }[],
): OnnxNode[] {
  const produced = new Set(nodes.flatMap((node) => node.outputs));
  const renamed = new Map<string, string>();
  const copies: OnnxNode[] = [];
  for (const { name, source } of outputs) {
    if (produced.has(source) && !renamed.has(source)) renamed.set(source, name);
    else
      copies.push({
        opType: "Identity",
        domain: "",
        inputs: [renamed.get(source) ?? source],
        outputs: [name],
        attributes: {},
      });
  }
  const rename = (name: string) => renamed.get(name) ?? name;
  return [
    ...nodes.map((node) => ({ ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) })),
    ...copies,
  ];
}

/** The names of every node's values. */
function lowerNodes(context: Emitter, roots: readonly Node[]): ReadonlyMap<Node, readonly string[]> {
  const order = topological(roots);
  const biased = findBiases(order, roots);
  const within = new Set<Node>([...biased.values()].map(({ product }) => product));
  const names = new Map<Node, readonly string[]>();
  for (const node of order) {
    const found = biased.get(node);
    if (found !== undefined) {
      const [x, packed, scales, zeros] = found.product.inputs.map((input) => names.get(input)![0]!);
      const inputs = [x!, packed!, scales!, zeros ?? "", "", names.get(found.bias)![0]!];
      names.set(node, [lowerMatmulNBits(context, inputs, found.product)]);
    } else if (!within.has(node)) names.set(node, lowerNode(context, node, names));
  }
  return names;
}

function lowerNode(context: Emitter, node: Node, names: ReadonlyMap<Node, readonly string[]>): readonly string[] {
  if (node.op === "input" || node.op === "weight") return [(node.params as OpParams["input"]).name];
  const inputs = node.inputs.map((input) => names.get(input)![0]!);
  if (node.op === "result") return [names.get(node.inputs[0]!)![(node.params as OpParams["result"]).index]!];
  const lowered = (lowerings[node.op] as Lowering<Op>)(context, inputs, node);
  return typeof lowered === "string" ? [lowered] : lowered;
}

type StoredWeight = { readonly initializer: OnnxInitializer; readonly nodes: readonly OnnxNode[] };

function storedWeight(name: string, { shape, dtype }: Node<"weight">, placement: WeightPlacement): StoredWeight {
  if (!shape.every((dim) => typeof dim === "number"))
    throw new AppError("E_SHAPE", `weight "${name}": the shape must be known, got [${shape}]`);
  const dims = shape as readonly number[];
  const { storedAs, ...value } = placement;
  if (storedAs === undefined) return { initializer: { name, dtype, dims, value }, nodes: [] };
  const narrow = `${name}.${storedAs}`;
  const attributes = { to: onnxTypeCode(dtype) };
  return {
    initializer: { name: narrow, dtype: storedAs, dims, value },
    nodes: [{ opType: "Cast", domain: "", inputs: [narrow], outputs: [name], attributes }],
  };
}
