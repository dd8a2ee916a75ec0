import { describe, expect, test } from "vitest";
import * as build from "./build.ts";
import type { DType, Node, Shape } from "./types.ts";

const of = (shape: Shape, dtype?: DType): Node => build.input("x", shape, dtype);
const x = of(["batch", 4]);
const ids = of(["batch"], "i64");
const cached = (q: Shape, k: Shape, v: Shape, pastK: Shape, pastV: Shape): Node =>
  build.cachedAttention([of(q), of(k), of(v), of(pastK), of(pastV), ids, of([], "i64")], {
    heads: 4,
    kvHeads: 2,
    scale: 1,
    window: 0,
    cap: 0,
  }).output;

/** What is refused, and with what words. */
const refused: readonly (readonly [title: string, make: () => Node, code: string, message: string])[] = [
  [
    "a literal that does not fill its shape",
    () => build.constant([1, 2], [3]),
    "E_SHAPE",
    "constant: 2 values do not fill [3]",
  ],
  [
    "shapes that do not broadcast",
    () => build.mul(x, of([3])),
    "E_SHAPE",
    "mul: shapes must broadcast, got [batch,4] and [3]",
  ],
  ["types that differ", () => build.add(x, of([4], "i64")), "E_DTYPE", "add: types must match, found f32 and i64"],
  [
    "comparison across types",
    () => build.less(x, of([4], "i64")),
    "E_DTYPE",
    "less: types must match, found f32 and i64",
  ],
  ["a function of whole numbers", () => build.exp(ids), "E_DTYPE", "exp: expected f32, found i64"],
  ["a condition that is not bool", () => build.where(x, x, x), "E_DTYPE", "where: expected bool, found f32"],
  ["an axis that is not there", () => build.sum(x, [2]), "E_SHAPE", "sum: axis 2 is not in [batch,4]"],
  ["an axis before the first", () => build.max(x, [-3]), "E_SHAPE", "max: axis -1 is not in [batch,4]"],
  [
    "a reshape to another size",
    () => build.reshape(x, ["batch", 3]),
    "E_SHAPE",
    "reshape: sizes must match, got [batch,4] to [batch,3]",
  ],
  [
    "a reshape to another symbol",
    () => build.reshape(x, ["seq", 4]),
    "E_SHAPE",
    "reshape: sizes must match, got [batch,4] to [seq,4]",
  ],
  [
    "half a permutation",
    () => build.transpose(x, [0]),
    "E_SHAPE",
    "transpose: [0] does not permute the axes of [batch,4]",
  ],
  [
    "an axis twice",
    () => build.transpose(x, [1, 1]),
    "E_SHAPE",
    "transpose: [1,1] does not permute the axes of [batch,4]",
  ],
  [
    "a broadcast that would shrink",
    () => build.broadcast(x, ["batch", 1]),
    "E_SHAPE",
    "broadcast: [batch,4] does not fit [batch,1]",
  ],
  ["a broadcast to fewer axes", () => build.broadcast(x, [4]), "E_SHAPE", "broadcast: [batch,4] does not fit [4]"],
  [
    "a concatenation of other rows",
    () => build.concat([x, of(["seq", 4])], 1),
    "E_SHAPE",
    "concat: [seq,4] does not join [batch,4] along axis 1",
  ],
  [
    "a concatenation of other types",
    () => build.concat([x, of(["batch", 4], "i64")], 1),
    "E_SHAPE",
    "concat: [batch,4] does not join [batch,4] along axis 1",
  ],
  [
    "a concatenation along a symbol",
    () => build.concat([x, x], 0),
    "E_SHAPE",
    "concat: axis 0 must have a known size, got [batch,4]",
  ],
  [
    "a slice beyond the end",
    () => build.slice(x, 1, 2, 5),
    "E_SHAPE",
    "slice: [2, 5) along axis 1 does not fit [batch,4]",
  ],
  ["an empty slice", () => build.slice(x, 1, 2, 2), "E_SHAPE", "slice: [2, 2) along axis 1 does not fit [batch,4]"],
  [
    "a slice of a symbol",
    () => build.slice(x, 0, 0, 1),
    "E_SHAPE",
    "slice: [0, 1) along axis 0 does not fit [batch,4]",
  ],
  ["padding of a symbol", () => build.pad(x, 0, 1, 1), "E_SHAPE", "pad: axis 0 of [batch,4] must have a known size"],
  ["indices that are not whole", () => build.gather(x, x), "E_DTYPE", "gather: expected i64, found f32"],
  [
    "updates of other rows",
    () => build.scatterAdd(ids, of(["seq", 4]), 3),
    "E_SHAPE",
    "scatterAdd: updates [seq,4] must begin with [batch]",
  ],
  ["scattering by reals", () => build.scatterAdd(x, x, 3), "E_DTYPE", "scatterAdd: expected i64, found f32"],
  ["more than all", () => build.topKMask(x, 5), "E_SHAPE", "topKMask: k = 5 does not fit the last axis of [batch,4]"],
  [
    "the largest of nothing",
    () => build.topKMask(x, 0),
    "E_SHAPE",
    "topKMask: k = 0 does not fit the last axis of [batch,4]",
  ],
  [
    "the largest of a symbol",
    () => build.topKMask(of(["seq"]), 1),
    "E_SHAPE",
    "topKMask: k = 1 does not fit the last axis of [seq]",
  ],
  [
    "inner sizes that differ",
    () => build.matmul(x, of([3, 2])),
    "E_SHAPE",
    "matmul: inner dims must match, got [batch,4] and [3,2] (NN)",
  ],
  [
    "the wrong side transposed",
    () => build.matmul(x, of([4, 2]), { transB: true }),
    "E_SHAPE",
    "matmul: inner dims must match, got [batch,4] and [4,2] (NT)",
  ],
  ["a vector", () => build.matmul(x, of([4])), "E_SHAPE", "matmul: both sides need two axes, got [batch,4] and [4]"],
  [
    "stacks that do not broadcast",
    () => build.matmul(of([2, 3, 4]), of([3, 4, 2])),
    "E_SHAPE",
    "matmul: shapes must broadcast, got [2] and [3]",
  ],
  [
    "a product of whole numbers",
    () => build.matmul(of([2, 2], "i64"), of([2, 2])),
    "E_DTYPE",
    "matmul: expected f32, found i64",
  ],
  [
    "activations of another width",
    () => build.matmulNBits([x], { n: 2, k: 8, bits: 4, blockSize: 8 }),
    "E_SHAPE",
    "matmulNBits: inner dim must be 8, got [batch,4]",
  ],
  [
    "a norm of another width",
    () => build.rmsNorm(x, of([3]), 1e-5),
    "E_SHAPE",
    "rmsNorm: scale [3] must fit the last axis of [batch,4]",
  ],
  [
    "a scale with two axes",
    () => build.rmsNorm(x, of([1, 4]), 1e-5),
    "E_SHAPE",
    "rmsNorm: scale [1,4] must fit the last axis of [batch,4]",
  ],
  [
    "classes without targets",
    () => build.crossEntropy(x, of(["seq"], "i64")),
    "E_SHAPE",
    "crossEntropy: expected logits (n, v) and targets (n), got [batch,4] and [seq]",
  ],
  [
    "targets that are not whole",
    () => build.crossEntropy(x, of(["batch"])),
    "E_DTYPE",
    "crossEntropy targets: expected i64, found f32",
  ],
  [
    "rotation tables of another width",
    () => build.rope(of(["batch", 2, "seq", 4]), of(["batch", "seq"], "i64"), of([8, 3]), of([8, 3])),
    "E_SHAPE",
    "rope: x [batch,2,seq,4], positions [batch,seq], cos [8,3], sin [8,3] do not fit",
  ],
  [
    "rotation tables that differ",
    () => build.rope(of(["batch", 2, "seq", 4]), of(["batch", "seq"], "i64"), of([8, 2]), of([7, 2])),
    "E_SHAPE",
    "rope: x [batch,2,seq,4], positions [batch,seq], cos [8,2], sin [7,2] do not fit",
  ],
  [
    "parts that do not divide",
    () => build.splitLast(x, 3),
    "E_SHAPE",
    "splitLast: [batch,4] does not split into 3 parts",
  ],
  [
    "a cache of other heads",
    () => cached(["b", "t", 32], ["b", "t", 16], ["b", "t", 16], ["b", 4, 6, 8], ["b", 4, 6, 8]),
    "E_SHAPE",
    "cachedAttention: q [b,t,32], k [b,t,16], past [b,4,6,8] do not fit 4 heads over 2",
  ],
  [
    "keys and values that differ",
    () => cached(["b", "t", 32], ["b", "t", 16], ["b", "t", 8], ["b", 2, 6, 8], ["b", 2, 6, 8]),
    "E_SHAPE",
    "cachedAttention: q [b,t,32], k [b,t,16], past [b,2,6,8] do not fit 4 heads over 2",
  ],
  [
    "caches that differ",
    () => cached(["b", "t", 32], ["b", "t", 16], ["b", "t", 16], ["b", 2, 6, 8], ["b", 2, 7, 8]),
    "E_SHAPE",
    "cachedAttention: q [b,t,32], k [b,t,16], past [b,2,6,8] do not fit 4 heads over 2",
  ],
];

describe("is refused as it is made", () => {
  test.each(refused)("%s", (_, make, code, message) => {
    expect(make).toThrow(expect.objectContaining({ code, message }));
  });
});

describe("shapes of what is made", () => {
  const cube = of(["batch", 3, 4]);
  const shapes: readonly (readonly [title: string, node: Node, shape: Shape, dtype: DType])[] = [
    ["a reduction to a scalar", build.sum(cube), [], "f32"],
    ["a reduction that keeps its axes", build.max(cube, [-1, 0], { keepDims: true }), [1, 3, 1], "f32"],
    ["a mean over symbols", build.mean(cube, [0]), [3, 4], "f32"],
    ["a comparison", build.less(cube, of([4])), ["batch", 3, 4], "bool"],
    ["rows of a table", build.gather(of([9, 4]), of(["batch", "seq"], "i64")), ["batch", "seq", 4], "f32"],
    ["the gradient of rows", build.scatterAdd(ids, x, "rows"), ["rows", 4], "f32"],
    ["a product of stacks", build.matmul(cube, of([4, 5])), ["batch", 3, 5], "f32"],
    ["both transposed", build.matmul(of([4, 2]), of([5, 4]), { transA: true, transB: true }), [2, 5], "f32"],
    ["flattened rows", build.flattenRows(of(["batch", "seq", 4])), ["batch*seq", 4], "f32"],
    ["a split last axis", build.splitLast(x, 2), ["batch", 2, 2], "f32"],
    ["a product of symbols as a number", build.size(["batch", 2]), [], "f32"],
    ["a known product", build.size([2, 3]), [], "f32"],
    ["a range", build.iota("batch"), ["batch"], "i64"],
    ["padding", build.pad(x, 1, 1, 2), ["batch", 7], "f32"],
  ];
  test.each(shapes)("%s", (_, node, shape, dtype) => {
    expect({ shape: node.shape, dtype: node.dtype }).toEqual({ shape, dtype });
  });

  test("what needs no node makes none", () => {
    expect(build.concat([x], 0)).toBe(x);
    expect(build.cast(x, "f32")).toBe(x);
    expect(build.sum(x, [])).toBe(x);
    expect(build.flattenRows(x)).toBe(x);
    expect(build.size([2, 3]).params).toEqual({ data: [6] });
  });

  test("attention gives its output and the new cache", () => {
    const params = { heads: 4, kvHeads: 2, scale: 1, window: 0, cap: 0 };
    const [q, k, past] = [of(["b", "t", 32]), of(["b", "t", 16]), of(["b", 2, 6, 8])];
    const made = build.cachedAttention([q, k, k, past, past, ids, of([], "i64")], params);
    expect([made.output.shape, made.presentK.shape, made.presentV.shape]).toEqual([q.shape, past.shape, past.shape]);
    expect(build.rebuild(made.presentK, [made.output])).toBe(made.presentK);
  });
});
