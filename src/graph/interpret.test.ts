import { describe, expect, test } from "vitest";
import {
  add,
  cachedAttention,
  cast,
  clamp,
  constant,
  crossEntropy,
  dequantize,
  div,
  equal,
  gather,
  input,
  iota,
  layerNorm,
  less,
  matmul,
  matmulNBits,
  max,
  mean,
  mul,
  relu,
  reshape,
  rmsNorm,
  rope,
  scatterAdd,
  sigmoid,
  size,
  softmax,
  sub,
  sum,
  topKMask,
  transpose,
  weight,
} from "./build.ts";
import { type Feeds, interpret } from "./interpret.ts";
import { numbersOf, type Tensor, tensor } from "./tensor.ts";
import type { DType, Node, Shape } from "./types.ts";

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** The value of a node as plain numbers. */
const evaluated = (node: Node, inputs: Record<string, Tensor> = {}, weights: Record<string, Tensor> = {}): number[] =>
  numbersOf(interpret({ outputs: { y: node } }, { inputs, weights })["y"]!);

const literal = (values: readonly number[], shape: Shape = [values.length], dtype?: DType): Node =>
  constant(values, shape, dtype);
const ints = (values: readonly number[], shape?: Shape): Node => literal(values, shape, "i64");

describe("values worked out by hand", () => {
  const table = literal([1, 2, 3, 4, 5, 6], [3, 2]);
  const cases: readonly (readonly [title: string, node: Node, expected: readonly number[]])[] = [
    ["broadcasting repeats the shorter shape", add(literal([1, 2], [2, 1]), literal([10, 20])), [11, 21, 12, 22]],
    ["whole numbers stay whole", div(ints([7, -7]), ints([2, 2])), [3, -3]],
    ["sigmoid does not overflow", sigmoid(literal([-1000, 0, 1000])), [0, 0.5, 1]],
    ["less is strict", less(literal([1, 2, 3]), constant(2)), [1, 0, 0]],
    ["equal compares whole numbers", equal(ints([1, 2]), ints([1, 3])), [1, 0]],
    ["casts cut towards zero", cast(literal([1.9, -1.9]), "i64"), [1, -1]],
    ["anything but zero is true", cast(literal([0, -0.5, 2]), "bool"), [0, 1, 1]],
    ["relu", relu(literal([-1, 0, 2])), [0, 0, 2]],
    ["clamp", clamp(literal([-3, 0.5, 2]), -1, 1.5), [-1, 0.5, 1.5]],
    ["sums over two axes", sum(literal(range(8), [2, 2, 2]), [0, 2]), [0 + 1 + 4 + 5, 2 + 3 + 6 + 7]],
    ["the largest of negatives", max(literal([-3, -1, -2, -5], [2, 2]), [1]), [-1, -2]],
    ["means", mean(literal([1, 2, 3, 6], [2, 2]), [0]), [2, 4]],
    ["transposition of three axes", transpose(literal(range(6), [1, 2, 3]), [2, 0, 1]), [0, 3, 1, 4, 2, 5]],
    ["rows by number", gather(table, ints([2, 0, 2])), [5, 6, 1, 2, 5, 6]],
    ["rows that meet are added", scatterAdd(ints([1, 1, 0]), table, 3), [5, 6, 4, 6, 0, 0]],
    ["ties go to the lower index", topKMask(literal([1, 3, 3, 3]), 2), [0, 1, 1, 0]],
    ["the largest by value, not by magnitude", topKMask(literal([-9, 1, 2]), 2), [0, 1, 1]],
    ["a product", matmul(table, literal([1, 0, 0, 1, 1, 1], [2, 3])), [3, 2, 2, 7, 4, 4, 11, 6, 6]],
    ["a product by a transpose, scaled", matmul(table, table, { transA: true, alpha: 0.5 }), [17.5, 22, 22, 28]],
    ["softmax of equals", softmax(literal([1e6, 1e6, -1e6])), [0.5, 0.5, 0]],
    ["rms", rmsNorm(literal([3, 4], [1, 2]), literal([1, 10]), 0), [3 / Math.sqrt(12.5), 40 / Math.sqrt(12.5)]],
    ["layer norm", layerNorm(literal([1, 5], [1, 2]), literal([1, 10]), literal([7, 8]), 0), [6, 18]],
    ["a certain answer costs nothing", crossEntropy(literal([0, 1000], [1, 2]), ints([1])), [0]],
    ["a wrong one costs the gap", crossEntropy(literal([0, 1000], [1, 2]), ints([0])), [1000]],
  ];
  test.each(cases)("%s", (_, node, expected) => {
    const found = evaluated(node);
    expect(found).toHaveLength(expected.length);
    found.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 12);
    });
  });

  test("a quarter turn moves the halves of each head into each other", () => {
    const x = literal([1, 2, 3, 4, 5, 6, 7, 8], [1, 1, 2, 4]);
    const [cos, sin] = [literal([1, 1, 0, 0], [2, 2]), literal([0, 0, 1, 1], [2, 2])];
    expect(evaluated(rope(x, ints([0, 1], [1, 2]), cos, sin))).toEqual([1, 2, 3, 4, -7, -8, 5, 6]);
  });

  test("4-bit codes come low nibble first, around 8 or their block's zero point", () => {
    const params = { n: 1, k: 4, bits: 4, blockSize: 2 } as const;
    const packed = literal([0x98, 0x0f], [1, 2, 1], "u8");
    const scales = literal([1, 10], [2]);
    expect(evaluated(dequantize([packed, scales], params))).toEqual([0, 1, 70, -80]);
    const zeros = literal([0x19], [1], "u8"); // 9 for the first block, 1 for the second
    expect(evaluated(dequantize([packed, scales, zeros], params))).toEqual([-1, 0, 140, -10]);
  });

  test("8-bit codes lie around 128; a last block may be cut", () => {
    const params = { n: 2, k: 3, bits: 8, blockSize: 2 } as const;
    const packed = literal([128, 129, 127, 0, 0, 255, 130, 9], [2, 2, 2], "u8");
    const scales = literal([1, 1, 1, 0.5], [4]);
    expect(evaluated(dequantize([packed, scales], params))).toEqual([0, 1, -1, -128, 127, 1]);
    const x = literal([1, 2, 3], [1, 3]);
    expect(evaluated(matmulNBits([x, packed, scales], params))).toEqual([-1, 129]);
  });

  describe("cached attention", () => {
    // One head of width 1: scores are products, values are positions' names.
    const attend = (q: number[], k: number[], v: number[], past: [number[], number[]], last: number, window = -1) => {
      const time = q.length;
      const row = (values: number[]) => literal(values, [1, time, 1]);
      const cache = (values: number[]) => literal(values, [1, 1, values.length, 1]);
      const params = { heads: 1, kvHeads: 1, scale: 1, window, cap: 0 };
      return cachedAttention(
        [row(q), row(k), row(v), cache(past[0]), cache(past[1]), ints([last]), constant(last + 1, [], "i64")],
        params,
      );
    };
    const empty: [number[], number[]] = [
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ];

    test("a prompt sees what precedes each token, and fills the cache from the start", () => {
      const { output, presentV } = attend([0, 0, 0], [0, 0, 0], [3, 6, 9], empty, 2);
      expect(evaluated(output)).toEqual([3, 4.5, 6]);
      expect(evaluated(presentV)).toEqual([3, 6, 9, 0]);
    });

    test("a further token sees the cache and itself, and is appended", () => {
      const { output, presentK } = attend(
        [0],
        [5],
        [12],
        [
          [1, 2, 0, 0],
          [3, 6, 0, 0],
        ],
        2,
      );
      expect(evaluated(output)[0]).toBeCloseTo(7, 12);
      expect(evaluated(presentK)).toEqual([1, 2, 5, 0]);
    });

    test("a window of 2 is the token and the one before it", () => {
      expect(evaluated(attend([0, 0, 0], [0, 0, 0], [3, 6, 9], empty, 2, 2).output)).toEqual([3, 4.5, 7.5]);
    });

    test("scores decide: a key that fits takes all", () => {
      expect(
        evaluated(
          attend(
            [100],
            [0],
            [12],
            [
              [1, 9, 0, 0],
              [3, 6, 0, 0],
            ],
            2,
          ).output,
        )[0],
      ).toBeCloseTo(6, 12);
    });
  });
});

describe("symbolic dimensions", () => {
  const x = input("x", ["batch", "seq"]);
  const flat = input("flat", ["2*batch*seq"]);
  const both = { outputs: { y: add(reshape(flat, [2, "batch", "seq"]), x), n: size(["batch", 5]), i: iota("2*seq") } };

  test("take the sizes of the inputs", () => {
    const inputs = { flat: tensor([12], range(12)), x: tensor([2, 3], [0, 0, 0, 10, 10, 10]) };
    const { y, n, i } = interpret(both, { inputs });
    expect(y).toMatchObject({ shape: [2, 2, 3], dtype: "f32" });
    expect(numbersOf(y!)).toEqual([0, 1, 2, 13, 14, 15, 6, 7, 8, 19, 20, 21]);
    expect(numbersOf(n!)).toEqual([10]);
    expect(numbersOf(i!)).toEqual(range(6));
  });

  test("are found from products, where the other factors are known", () => {
    const tokens = input("tokens", ["3*batch*seq"]);
    const rows = input("rows", ["batch"]);
    const y = add(sum(reshape(tokens, [3, "batch", "seq"]), [0, 2]), rows);
    const inputs = { tokens: tensor([12], range(12)), rows: tensor([2], [0, 0]) };
    expect(interpret({ outputs: { y } }, { inputs })["y"]!.shape).toEqual([2]);
  });

  const contradictions: readonly (readonly [title: string, feeds: Feeds["inputs"], message: string])[] = [
    [
      "between inputs",
      { flat: tensor([14], range(14)), x: tensor([2, 3], range(6)) },
      'input "flat": expected [2*batch*seq] with batch = 2, seq = 3, found [14]',
    ],
    [
      "with a number of axes",
      { flat: tensor([12], range(12)), x: tensor([6], range(6)) },
      'input "x": expected [batch,seq], found [6]',
    ],
  ];
  test.each(contradictions)("contradictions are refused: %s", (_, inputs, message) => {
    expect(() => interpret(both, { inputs: inputs! })).toThrow(expect.objectContaining({ code: "E_SHAPE", message }));
  });

  test("contradictions are refused: with a known size, and with a whole number of parts", () => {
    const known = { outputs: { y: input("k", [3]) } };
    const feeds = { inputs: { k: tensor([2], [0, 0]) } };
    expect(() => interpret(known, feeds)).toThrow('input "k": expected [3], found [2]');
    const even = { outputs: { y: input("e", ["2*half"]) } };
    expect(() => interpret(even, { inputs: { e: tensor([3], range(3)) } })).toThrow(
      'input "e": expected [2*half], found [3]',
    );
  });

  test("that no input gives are refused", () => {
    const graph = { outputs: { y: iota("free") } };
    expect(() => interpret(graph, {})).toThrow(
      expect.objectContaining({ code: "E_SHAPE", message: 'dimension "free" is in the shape of no input' }),
    );
  });
});

describe("refuses values", () => {
  const graph = { outputs: { y: mul(input("x", [2]), weight("w", [2])) } };
  const x = tensor([2], [1, 2]);
  const faults: readonly (readonly [title: string, feeds: Feeds, code: string, message: string])[] = [
    ["that are missing", { inputs: { x } }, "E_NOT_FOUND", 'weight "w" has no value'],
    [
      "of another type",
      { inputs: { x: tensor([2], [1, 2], "i64") }, weights: { w: x } },
      "E_DTYPE",
      'input "x": expected f32, found i64 in BigInt64Array',
    ],
    [
      "in another array",
      { inputs: { x: { ...x, data: Uint8Array.of(1, 2) } }, weights: { w: x } },
      "E_DTYPE",
      'input "x": expected f32, found f32 in Uint8Array',
    ],
    [
      "that do not fill their shape",
      { inputs: { x: { ...x, data: Float64Array.of(1) } }, weights: { w: x } },
      "E_SHAPE",
      'input "x": 1 values do not fill [2]',
    ],
  ];
  test.each(faults)("%s", (_, feeds, code, message) => {
    expect(() => interpret(graph, feeds)).toThrow(expect.objectContaining({ code, message }));
  });

  test("that are rows of no table", () => {
    const row = input("row", [1], "i64");
    const outside = { inputs: { row: tensor([1], [2], "i64") } };
    const message = "index 2 is not in [0, 2)";
    expect(() => interpret({ outputs: { y: gather(constant([1, 2], [2]), row) } }, outside)).toThrow(message);
    expect(() => interpret({ outputs: { y: scatterAdd(row, constant([1], [1]), 2) } }, outside)).toThrow(message);
    expect(() => interpret({ outputs: { y: crossEntropy(constant([1, 2], [1, 2]), row) } }, outside)).toThrow(message);
  });

  test("a tensor takes as many values as its shape has", () => {
    expect(() => tensor([2, 2], [1, 2, 3])).toThrow("tensor: 3 values do not fill [2,2]");
  });

  test("subtraction and multiplication of whole numbers keep 64 bits", () => {
    const large = { inputs: { n: { shape: [1], dtype: "i64", data: BigInt64Array.of(2n ** 53n + 1n) } as Tensor } };
    const n = input("n", [1], "i64");
    const y = sub(mul(n, constant(3, [], "i64")), constant(2, [], "i64"));
    expect(interpret({ outputs: { y } }, large)["y"]!.data).toEqual(BigInt64Array.of(3n * (2n ** 53n + 1n) - 2n));
  });
});
