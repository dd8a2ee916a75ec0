/** @file Every op by example: what the gradient, parity and type tests run over. Total over the ops. */
import {
  add,
  broadcast,
  cachedAttention,
  cast,
  clamp,
  concat,
  constant,
  crossEntropy,
  dequantize,
  div,
  equal,
  exp,
  gather,
  gelu,
  input,
  iota,
  layerNorm,
  less,
  log,
  matmul,
  matmulNBits,
  max,
  mean,
  mul,
  neg,
  pad,
  relu,
  reshape,
  rmsNorm,
  rope,
  scatterAdd,
  sigmoid,
  silu,
  size,
  slice,
  softmax,
  sqrt,
  sub,
  sum,
  topKMask,
  transpose,
  weight,
  where,
} from "../../src/graph/build.ts";
import { numbersOf, type Tensor, tensor } from "../../src/graph/tensor.ts";
import type { Node, Op, OpParams, Shape } from "../../src/graph/types.ts";
import type { Range, Sizes } from "./numeric.ts";
import { batches, example, type OpCase, type OpCases, texts } from "./op-case.ts";

const ids = (name: string, shape: Shape): Node => input(name, shape, "i64");
const text = (name = "x"): Node => input(name, ["batch", "seq", 4]);

/** f over one f32 tensor of symbolic shape. */
const unary = (apply: (x: Node) => Node, range: Range = [-3, 3]): OpCases => ({
  gradient: { by: ["x"] },
  cases: [
    example("symbolic shape", apply(text()), { sizes: texts, ranges: { x: range } }),
    example("scalar", apply(input("x", [])), { ranges: { x: range } }),
  ],
});

/** f over two tensors, in every way of broadcasting. */
const binary = (apply: (a: Node, b: Node) => Node, range: Range = [-2, 2]): OpCases => {
  const ranges = { x: range, y: range };
  return {
    gradient: { by: ["x", "y"] },
    cases: [
      example("equal shapes", apply(input("x", [2, 3]), input("y", [2, 3])), { ranges }),
      example("symbolic shape and a row", apply(text(), input("y", [4])), { sizes: texts, ranges }),
      example("scalar and symbolic shape", apply(input("x", []), text("y")), { sizes: texts, ranges }),
      example("both broadcast", apply(input("x", ["batch", 1, 4]), input("y", ["seq", 1])), { sizes: texts, ranges }),
    ],
  };
};

/** A reduction over known, symbolic and all axes. */
const reduction = (apply: typeof sum): OpCases => ({
  gradient: { by: ["x"] },
  cases: [
    example("last axis", apply(text(), [-1]), { sizes: texts }),
    example("symbolic axes, kept", apply(text(), [0, 1], { keepDims: true }), { sizes: texts }),
    example("all axes", apply(text()), { sizes: texts }),
    example("i64", apply(ids("n", ["batch", 3]), [1]), { sizes: batches, ranges: { n: [-9, 9] } }),
  ],
});

const capacity = 6;

/** Attention of 4 heads over 2 in a prompt, one token for rows of different lengths, and the continuation of one row. */
function attention(title: string, { window = 0, cap = 0, width = 8 } = {}): OpCase {
  const past = ["pastK", "pastV"].map((name) => input(name, ["batch", 2, capacity, width]));
  const fresh = [4, 2, 2].map((heads, i) => input(["q", "k", "v"][i]!, ["batch", "seq", heads * width]));
  const attended = cachedAttention([...fresh, ...past, ids("last", ["batch"]), ids("total", [])], {
    heads: 4,
    kvHeads: 2,
    scale: 0.3,
    window,
    cap,
  });
  const lasts: Readonly<Record<number, readonly number[]>> = { 3: [2, 2], 1: [4, 1], 2: [4] };
  const given = ({ seq }: Sizes, random: Readonly<Record<string, Tensor>>): Record<string, Tensor> => {
    const last = lasts[seq!]!;
    const firsts = last.map((position) => position - seq! + 1);
    return {
      last: tensor([last.length], last, "i64"),
      total: tensor([], [Math.max(...last) + 1], "i64"),
      // The cache holds what precedes the new tokens, and zeros.
      pastK: filledUpTo(firsts, random["pastK"]!),
      pastV: filledUpTo(firsts, random["pastV"]!),
    };
  };
  const sizes = [
    { batch: 2, seq: 3 },
    { batch: 2, seq: 1 },
    { batch: 1, seq: 2 },
  ];
  const { output, presentK, presentV } = attended;
  return example(title, { output, presentK, presentV }, { sizes, given, ranges: { q: [-4, 4] } });
}

function filledUpTo(lengths: readonly number[], cache: Tensor): Tensor {
  const [, heads, , width] = cache.shape as [number, number, number, number];
  const kept = numbersOf(cache).map((value, i) => {
    const position = Math.floor(i / width) % capacity;
    return position < lengths[Math.floor(i / (width * capacity * heads))]! ? value : 0;
  });
  return tensor(cache.shape, kept);
}

/** Frozen weights in blocks: with and without zero points, with a last block that is cut, 4 and 8 bits. */
function quantised(
  apply: (packed: readonly Node[], params: OpParams["dequantize"]) => Node,
  tolerance: number,
  what = "",
): OpCase[] {
  const layouts: readonly { bits: 4 | 8; k: number; zeros: boolean }[] = [
    { bits: 4, k: 32, zeros: false },
    { bits: 4, k: 40, zeros: true },
    { bits: 8, k: 32, zeros: false },
    { bits: 8, k: 40, zeros: true },
  ];
  return layouts.map(({ bits, k, zeros }) => {
    const [n, blockSize] = [5, 16];
    const blocks = Math.ceil(k / blockSize);
    const packed = [
      weight("packed", [n, blocks, (blockSize * bits) / 8], "u8"),
      weight("scales", [n * blocks]),
      ...(zeros ? [weight("zeros", [n * Math.ceil((blocks * bits) / 8)], "u8")] : []),
    ];
    const title = `${bits} bits, k = ${k}${zeros ? ", zero points" : ""}${what}`;
    return example(title, apply(packed, { n, k, bits, blockSize }), {
      sizes: batches,
      ranges: { packed: [0, 256], scales: [0.01, 0.02], zeros: [0, 256] },
      tolerance,
    });
  });
}

const sides = { x: input("x", [1, 3]), y: input("y", [2, 3]) };
const [frozen, step] = ["its weights are frozen", "it is a step function: zero wherever it has a derivative"];

export const opCases: { readonly [P in Op]: OpCases } = {
  input: { gradient: { by: ["x"] }, cases: [example("straight through", text(), { sizes: texts })] },
  weight: {
    gradient: { by: ["x", "w"] },
    cases: [
      example("next to an input", add(text(), weight("w", [4])), { sizes: texts }),
      example("straight through", { made: weight("w", [2, 2]), z: input("x", [2]) }),
    ],
  },
  constant: {
    gradient: { none: "a literal does not change" },
    cases: [
      example("every type", {
        f32: constant([0.1, -2, 3e-8, Number.NEGATIVE_INFINITY], [2, 2]),
        i64: constant([3, -(2 ** 40)], [2], "i64"),
        bool: constant([0, 1], [2], "bool"),
        u8: constant([0, 255], [2, 1], "u8"),
      }),
    ],
  },

  add: binary(add),
  sub: binary(sub),
  mul: binary(mul),
  div: binary(div, [0.5, 2]),
  neg: unary(neg),
  exp: unary(exp),
  log: unary(log, [0.1, 3]),
  sqrt: unary(sqrt, [0.1, 3]),
  sigmoid: unary(sigmoid, [-30, 30]),
  silu: unary(silu, [-30, 30]),
  gelu: unary(gelu, [-8, 8]),
  relu: unary(relu),
  clamp: unary((x) => clamp(x, -1, 1.5)),
  less: {
    gradient: { by: ["x", "y"], zero: step },
    cases: [
      ...binary(less).cases,
      example("i64", less(ids("n", ["batch", 4]), ids("m", [4])), {
        sizes: batches,
        ranges: { n: [-3, 3], m: [-3, 3] },
      }),
    ],
  },
  equal: {
    gradient: { by: ["x"], zero: step },
    cases: [
      example("f32", equal(relu(text()), constant(0)), { sizes: texts }),
      example("i64", equal(ids("n", ["batch", 4]), ids("m", [4])), {
        sizes: batches,
        ranges: { n: [0, 3], m: [0, 3] },
      }),
    ],
  },
  where: {
    gradient: { by: ["x", "y"] },
    cases: [
      example("equal shapes", where(input("c", [2, 3], "bool"), input("x", [2, 3]), input("y", [2, 3]))),
      example("all broadcast", where(input("c", ["batch", 1, 1], "bool"), text(), input("y", [])), { sizes: texts }),
      example("i64", where(input("c", ["batch", 1], "bool"), ids("n", [3]), constant(7, [], "i64")), {
        sizes: batches,
        ranges: { n: [-5, 5] },
      }),
    ],
  },
  cast: {
    gradient: { by: ["x"], zero: step },
    cases: [
      example("f32 to i64 and back", cast(cast(text(), "i64"), "f32"), { sizes: texts, ranges: { x: [-5, 5] } }),
      example("f32 to bool to f32", cast(cast(relu(text()), "bool"), "f32"), { sizes: texts }),
      example("bool to i64", cast(input("c", [4], "bool"), "i64")),
      example("u8 to f32", cast(input("b", [4], "u8"), "f32"), { ranges: { b: [0, 256] } }),
    ],
  },

  sum: reduction(sum),
  max: reduction(max),

  reshape: {
    gradient: { by: ["x"] },
    cases: [
      example("two symbols into one axis", reshape(text(), ["batch*seq", 4]), { sizes: texts }),
      example("one axis into two", reshape(text(), ["batch", "seq", 2, 2]), { sizes: texts }),
      example("symbols that change place", reshape(transpose(text(), [1, 2, 0]), ["batch", 2, 2, "seq"]), {
        sizes: texts,
      }),
      example("an axis of symbols and numbers", reshape(text(), ["4*batch*seq"]), { sizes: texts }),
      example("a scalar", reshape(input("x", [1, 1]), [])),
      example("i64", reshape(ids("n", ["batch", 6]), ["batch", 2, 3]), { sizes: batches, ranges: { n: [-9, 9] } }),
    ],
  },
  transpose: {
    gradient: { by: ["x"] },
    cases: [
      example("last two", transpose(text(), [0, 2, 1]), { sizes: texts }),
      example("three in a circle", transpose(text(), [1, 2, 0]), { sizes: texts }),
      example("nothing", transpose(text(), [0, 1, 2]), { sizes: texts }),
    ],
  },
  broadcast: {
    gradient: { by: ["x"] },
    cases: [
      example(
        "a row",
        { made: broadcast(input("x", [4]), ["batch", "seq", 4]), shape: input("like", ["batch", "seq"]) },
        { sizes: texts },
      ),
      example("an inner axis", broadcast(input("x", ["batch", 1, "seq"]), [2, "batch", 3, "seq"]), { sizes: texts }),
      example("a scalar", broadcast(input("x", []), [2, 3])),
    ],
  },
  concat: {
    gradient: { by: ["x", "y"] },
    cases: [
      example("two along the last axis", concat([text(), input("y", ["batch", "seq", 2])], 2), { sizes: texts }),
      example("three, one of them twice", concat([sides.x, sides.y, sides.x], 0)),
      example("i64", concat([ids("n", ["batch", 1]), ids("m", ["batch", 2])], 1), {
        sizes: batches,
        ranges: { n: [-9, 9], m: [-9, 9] },
      }),
    ],
  },
  slice: {
    gradient: { by: ["x"] },
    cases: [
      example("the middle of the last axis", slice(text(), 2, 1, 3), { sizes: texts }),
      example("the first of an inner axis", slice(input("x", ["batch", 3, 2]), 1, 0, 1), { sizes: batches }),
      example("i64", slice(ids("n", ["batch", 3]), 1, 1, 3), { sizes: batches, ranges: { n: [-9, 9] } }),
    ],
  },
  pad: {
    gradient: { by: ["x"] },
    cases: [
      example("both sides of the last axis", pad(text(), 2, 1, 2), { sizes: texts }),
      example("one side of an inner axis", pad(input("x", ["batch", 3, 2]), 1, 0, 2), { sizes: batches }),
    ],
  },
  iota: {
    gradient: { none: "it has no inputs" },
    cases: [
      example("symbolic", { made: iota("batch"), z: input("x", ["batch"]) }, { sizes: batches }),
      example("a product", { made: iota("2*batch*seq"), z: text() }, { sizes: texts }),
      example("known", iota(5)),
    ],
  },
  size: {
    gradient: { none: "it has no inputs" },
    cases: [
      example(
        "in a mean over symbolic axes",
        { made: mean(text(), [0, 1]), n: size(["batch", "seq", 3]) },
        { sizes: texts },
      ),
    ],
  },

  gather: {
    gradient: { by: ["x"] },
    cases: [
      example("rows", gather(input("x", [5, 3]), ids("n", ["batch", "seq"])), { sizes: texts, ranges: { n: [0, 5] } }),
      example("elements", gather(input("x", [5]), ids("n", ["batch"])), { sizes: batches, ranges: { n: [0, 5] } }),
      example("one matrix", gather(input("x", [5, 2, 2]), ids("n", [])), { ranges: { n: [0, 5] } }),
      example("rows of a symbolic table", gather(text(), ids("n", [2])), { sizes: texts, ranges: { n: [0, 1] } }),
    ],
  },
  scatterAdd: {
    gradient: { by: ["x"] },
    cases: [
      example("rows that meet", scatterAdd(ids("n", ["batch", "seq"]), text(), 3), {
        sizes: texts,
        ranges: { n: [0, 3] },
      }),
      example("elements", scatterAdd(ids("n", ["batch"]), input("x", ["batch"]), 4), {
        sizes: batches,
        ranges: { n: [0, 4] },
      }),
      example(
        "into a symbolic number of rows",
        { made: scatterAdd(ids("n", [4]), input("x", [4, 2]), "batch"), shape: input("like", ["batch"]) },
        { sizes: batches, ranges: { n: [0, 2] } },
      ),
    ],
  },
  topKMask: {
    gradient: { by: ["x"], zero: step },
    cases: [
      example("2 of 5", topKMask(input("x", ["batch", "seq", 5]), 2), { sizes: texts }),
      example("all", topKMask(input("x", ["batch", 3]), 3), { sizes: batches }),
      example("ties: the first win", topKMask(constant([1, 2, 2, 2, 0, 0, 0, 0], [2, 4]), 2)),
    ],
  },

  matmul: {
    gradient: { by: ["x", "y"] },
    cases: [
      example("matrices", matmul(input("x", ["batch", 4]), input("y", [4, 3])), { sizes: batches }),
      example("left transposed", matmul(input("x", [4, "batch"]), input("y", [4, 3]), { transA: true }), {
        sizes: batches,
      }),
      example("right transposed, scaled", matmul(text(), input("y", [3, 4]), { transB: true, alpha: 0.5 }), {
        sizes: texts,
      }),
      example(
        "both transposed",
        matmul(input("x", [4, 2]), input("y", [3, 4]), { transA: true, transB: true, alpha: -2 }),
      ),
      example("stack by matrix", matmul(text(), input("y", [4, 3])), { sizes: texts }),
      example(
        "stack by matrix, left transposed",
        matmul(input("x", ["batch", 4, "seq"]), input("y", [4, 3]), { transA: true }),
        {
          sizes: texts,
        },
      ),
      example("matrix by stack", matmul(input("x", [2, 4]), input("y", ["batch", 4, 3])), { sizes: batches }),
      example(
        "stacks that broadcast, as in attention",
        matmul(input("x", ["batch", 2, "seq", 4]), input("y", ["batch", 1, "seq", 4]), { transB: true }),
        { sizes: texts },
      ),
      example(
        "stacks that broadcast, both transposed",
        matmul(input("x", ["batch", 1, 4, 2]), input("y", [3, 3, 4]), { transA: true, transB: true }),
        { sizes: batches },
      ),
    ],
  },
  matmulNBits: {
    gradient: { by: ["x"] },
    // Activations are rounded to int8 by blocks.
    cases: [
      ...quantised((packed, params) => matmulNBits([input("x", ["batch", 2, params.k]), ...packed], params), 2e-2),
      ...quantised(
        (packed, params) =>
          add(matmulNBits([input("x", ["batch", 2, params.k]), ...packed], params), weight("bias", [params.n])),
        2e-2,
        ", a bias",
      ),
    ],
  },
  dequantize: {
    gradient: { blocked: frozen, by: ["scales"] },
    cases: quantised(dequantize, 1e-5),
  },

  softmax: {
    gradient: { by: ["x"] },
    cases: [
      example("symbolic rows", softmax(text()), { sizes: texts, ranges: { x: [-5, 5] } }),
      example("a symbolic last axis", softmax(transpose(text(), [0, 2, 1])), { sizes: texts }),
      example("large values", softmax(mul(input("x", [2, 3]), constant(300)))),
    ],
  },
  rmsNorm: {
    gradient: { by: ["x", "scale"] },
    cases: [example("symbolic rows", rmsNorm(text(), input("scale", [4]), 1e-2), { sizes: texts })],
  },
  layerNorm: {
    gradient: { by: ["x", "scale", "bias"] },
    cases: [
      example("symbolic rows", layerNorm(text(), input("scale", [4]), input("bias", [4]), 1e-2), { sizes: texts }),
      example("far from zero", layerNorm(text(), input("scale", [4]), input("bias", [4]), 1e-5), {
        sizes: texts,
        ranges: { x: [9, 11] },
      }),
    ],
  },
  rope: {
    gradient: { by: ["x"] },
    cases: [
      example(
        "positions of each row",
        rope(
          input("x", ["batch", 2, "seq", 4]),
          ids("n", ["batch", "seq"]),
          input("cos", [8, 2]),
          input("sin", [8, 2]),
        ),
        { sizes: texts, ranges: { n: [0, 8] } },
      ),
      example(
        "heads side by side",
        rope(input("x", ["batch", "seq", 12]), ids("n", ["batch", "seq"]), input("cos", [8, 2]), input("sin", [8, 2])),
        { sizes: texts, ranges: { n: [0, 8] } },
      ),
    ],
  },
  crossEntropy: {
    gradient: { by: ["x"] },
    cases: [
      example(
        "symbolic rows",
        crossEntropy(reshape(text(), ["batch*seq", 4]), reshape(ids("n", ["batch", "seq"]), ["batch*seq"])),
        {
          sizes: texts,
          ranges: { x: [-5, 5], n: [0, 4] },
        },
      ),
    ],
  },
  cachedAttention: {
    gradient: { blocked: "training uses attention without a cache", by: ["q"] },
    cases: [
      attention("the whole past"),
      attention("capped scores", { cap: 0.7 }),
      attention("heads of 6", { width: 6 }),
    ],
  },
  result: {
    gradient: { blocked: "as cachedAttention", by: ["k"] },
    cases: [
      attention("a window", { window: 2 }),
      attention("a window and a cap", { window: 2, cap: 0.5 }),
      attention("heads of 12, a window and a cap", { width: 12, window: 2, cap: 0.5 }),
    ],
  },
};

/** All cases under the names of their ops. */
export const allCases: readonly {
  readonly op: Op;
  readonly name: string;
  readonly opCase: OpCase;
  readonly sizes: Sizes;
}[] = (Object.entries(opCases) as [Op, OpCases][]).flatMap(([op, { cases }]) =>
  cases.flatMap((opCase) =>
    opCase.sizes.map((sizes) => ({
      op,
      opCase,
      sizes,
      name: `${op}: ${opCase.title}${Object.entries(sizes)
        .map(([symbol, value]) => `, ${symbol} = ${value}`)
        .join("")}`,
    })),
  ),
);
