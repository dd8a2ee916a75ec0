import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { distance, nodeCount, run, sampleLeaves } from "../../test/support/numeric.ts";
import { allCases } from "../../test/support/ops-cases.ts";
import { randomGraph } from "../../test/support/random-graph.ts";
import {
  add,
  broadcast,
  cast,
  constant,
  div,
  exp,
  gather,
  input,
  iota,
  matmul,
  mul,
  neg,
  reshape,
  scale,
  sub,
  sum,
  transpose,
  weight,
  where,
} from "./build.ts";
import { check } from "./check.ts";
import { grad } from "./grad.ts";
import { print } from "./print.ts";
import { simplify } from "./simplify.ts";
import { numbersOf } from "./tensor.ts";
import { topological } from "./tree.ts";
import type { Graph, Node } from "./types.ts";

const x = input("x", ["batch", 4]);
const w = weight("w", [4, 4]);

/** The lines of a simplified value, leaves and result aside. */
const lines = (node: Node): string[] =>
  print(simplify({ outputs: { result: node } }))
    .split("\n")
    .filter((line) => line.startsWith("%") || line.startsWith("return"));

const becomes = (node: Node, expected: Node): void => {
  const simplified = simplify({ outputs: { result: node } });
  expect(print(simplified)).toBe(print({ outputs: { result: expected } }));
};

describe("removes what does nothing", () => {
  test("adding and subtracting 0, multiplying and dividing by 1", () => {
    becomes(sub(add(constant(0), add(x, constant([0, 0, 0, 0], [4]))), constant(0)), x);
    becomes(div(mul(constant([1], [1]), mul(x, constant(1))), constant([1, 1, 1, 1], [1, 4])), x);
  });

  test("but not where it gives the result its shape", () => {
    const wide = add(input("row", [4]), constant(new Array(8).fill(0), [2, 4]));
    expect(lines(wide)).toEqual(["%0: f32[2, 4] = add(row, [0, 0, 0, 0, 0, 0, 0, 0] as [2, 4])", "return result = %0"]);
  });

  test("reshapes, transposes, broadcasts, casts, slices and sums that keep everything", () => {
    becomes(reshape(x, ["batch", 4]), x);
    becomes(transpose(x, [0, 1]), x);
    becomes(broadcast(x, ["batch", 4]), x);
    const narrow = input("narrow", ["batch", 1]);
    becomes(sum(narrow, [1], { keepDims: true }), narrow);
    becomes(cast(cast(x, "f32"), "f32"), x);
  });

  test("chains of reshapes, transposes and broadcasts become one or none", () => {
    becomes(reshape(reshape(x, ["4*batch"]), ["batch", 2, 2]), reshape(x, ["batch", 2, 2]));
    becomes(reshape(reshape(x, ["4*batch"]), ["batch", 4]), x);
    const cube = input("cube", [2, 3, 4]);
    becomes(transpose(transpose(cube, [1, 2, 0]), [1, 2, 0]), transpose(cube, [2, 0, 1]));
    becomes(transpose(transpose(cube, [1, 2, 0]), [2, 0, 1]), cube);
    becomes(transpose(transpose(cube, [1, 0, 2]), [0, 2, 1]), transpose(cube, [1, 2, 0]));
    const row = input("row", [4]);
    becomes(broadcast(broadcast(row, [3, 4]), [2, 3, 4]), broadcast(row, [2, 3, 4]));
  });

  test("double negation, and negation before addition", () => {
    becomes(neg(neg(x)), x);
    becomes(add(x, neg(exp(x))), sub(x, exp(x)));
    becomes(add(neg(exp(x)), x), sub(x, exp(x)));
    becomes(sub(x, neg(exp(x))), add(x, exp(x)));
  });

  test("broadcasts before ops that broadcast by themselves", () => {
    const row = input("row", [4]);
    becomes(mul(x, broadcast(row, ["batch", 4])), mul(x, row));
    const condition = input("c", [4], "bool");
    becomes(
      where(broadcast(condition, ["batch", 4]), x, broadcast(constant(0), ["batch", 4])),
      where(condition, x, constant(0)),
    );
    const alone = mul(broadcast(row, [2, 4]), row);
    expect(lines(alone)).toEqual(lines(mul(broadcast(row, [2, 4]), row)));
    expect(simplify({ outputs: { result: alone } }).outputs["result"]!.shape).toEqual([2, 4]);
  });
});

describe("shares equal values", () => {
  test("of equal op, inputs and parameters", () => {
    const twice = add(mul(exp(x), w0()), mul(exp(x), w0()));
    expect(lines(twice)).toEqual([
      "%0: f32[batch, 4] = exp(x)",
      "%1: f32[batch, 4] = mul(%0, [1, 2, 3, 4])",
      "%2: f32[batch, 4] = add(%1, %1)",
      "return result = %2",
    ]);
  });

  test("but not of different parameters, types or signs of zero", () => {
    expect(nodeCount(simplify(of(sum(x, [0]), sum(x, [1]))))).toBe(3);
    expect(nodeCount(simplify(of(constant(0), constant(-0), constant(0, [], "i64"), constant([0], [1]))))).toBe(4);
  });

  test("inputs and weights stay what they are", () => {
    const [a, b] = [input("x", [2]), input("x", [2])];
    const { outputs } = simplify(of(a, b));
    expect(outputs["0"]).toBe(a);
    expect(outputs["1"]).toBe(b);
  });
});

describe("folds", () => {
  test("small values of literals alone", () => {
    becomes(add(x, exp(sub(constant(2), constant([2, 2, 2, 2], [4])))), add(x, constant([1, 1, 1, 1], [4])));
    becomes(gather(x, iota(2)), gather(x, constant([0, 1], [2], "i64")));
    becomes(cast(constant([1.7, -2.7], [2]), "i64"), constant([1, -2], [2], "i64"));
  });

  test("but not large ones", () => {
    expect(lines(broadcast(constant(0), [64, 64]))).toHaveLength(2);
  });

  test("factors into one, where the inner product has no other use", () => {
    becomes(scale(scale(exp(x), 3), 2), scale(exp(x), 6));
    becomes(div(scale(exp(x), 3), constant(2)), scale(exp(x), 1.5));
    const inner = scale(exp(x), 3);
    expect(lines(add(inner, scale(inner, 2)))).toContain("%2: f32[batch, 4] = mul(%1, 2)");
  });

  test("factors, signs and transposes into the product", () => {
    becomes(scale(matmul(x, w), 0.5), matmul(x, w, { alpha: 0.5 }));
    becomes(neg(div(matmul(x, w, { alpha: 3 }), constant(2))), matmul(x, w, { alpha: -1.5 }));
    becomes(matmul(scale(x, 0.5), neg(w)), matmul(x, w, { alpha: -0.5 }));
    becomes(matmul(x, transpose(w, [1, 0])), matmul(x, w, { transB: true }));
    becomes(matmul(transpose(x, [1, 0]), w, { transA: true }), matmul(x, w));
  });

  test("a factor stays outside where the product is used as it is, and where fp32 could overflow", () => {
    const product = matmul(x, w);
    expect(lines(add(product, scale(product, 0.5)))).toContain("%1: f32[batch, 4] = mul(%0, 0.5)");
    expect(lines(scale(matmul(x, w, { alpha: 1e12 }), 1e12))).toContain("%1: f32[batch, 4] = mul(%0, 1000000000000)");
    expect(lines(scale(matmul(x, w), 0))).toContain("%1: f32[batch, 4] = mul(%0, 0)");
  });

  test("a factor of another shape stays: it changes the shape of the product", () => {
    expect(lines(mul(matmul(x, w), constant([2], [1, 1, 1])))).toHaveLength(3);
  });
});

const w0 = (): Node => constant([1, 2, 3, 4], [4]);
const of = (...nodes: Node[]): Graph => ({ outputs: Object.fromEntries(nodes.map((node, i) => [`${i}`, node])) });

/** The largest magnitude of any value in a graph: rounding is relative to it. Infinite where one is not finite. */
function largestValue(graph: Graph, values: Parameters<typeof run>[1]): number {
  const all = of(...topological(Object.values(graph.outputs)));
  return Object.values(run(all, values))
    .flatMap(numbersOf)
    .reduce((largest, value) => (Number.isFinite(value) ? Math.max(largest, Math.abs(value)) : Infinity), 1);
}

/** Simplification keeps names, types and values, adds no node, and has nothing left to do. */
function expectKept(graph: Graph, values: Parameters<typeof run>[1], gapLimit: number): void {
  const simplified = simplify(graph);
  expect(Object.keys(simplified.outputs)).toEqual(Object.keys(graph.outputs));
  expect(nodeCount(simplified)).toBeLessThanOrEqual(nodeCount(graph));
  expect(print(simplify(simplified))).toBe(print(simplified));
  check(simplified);
  const [before, after] = [run(graph, values), run(simplified, values)];
  for (const [name, value] of Object.entries(before)) {
    expect({ ...after[name]!, data: [] }, name).toEqual({ ...value, data: [] });
    expect(distance(numbersOf(after[name]!), numbersOf(value)), `${name}\n${print(graph)}`).toBeLessThan(gapLimit);
  }
}

describe("keeps every value", () => {
  test("of random graphs", () => {
    fc.assert(
      fc.property(randomGraph(), ({ graph, sizes }) => {
        const values = sampleLeaves(graph, sizes);
        const largest = largestValue(graph, values);
        fc.pre(largest < 1e6);
        expectKept(graph, values, 1e-12 * largest);
      }),
      { seed: 1, numRuns: 400 },
    );
  });

  test("of the gradients of random graphs", () => {
    fc.assert(
      fc.property(randomGraph(12), ({ graph, sizes }) => {
        const loss = sum(graph.outputs["result 0"]!);
        const leaves = topological([loss]).filter((node) => node.op === "input");
        const gradients = grad(loss, leaves);
        const whole = { outputs: { ...graph.outputs, loss, ...of(...gradients).outputs } };
        const values = sampleLeaves(whole, sizes);
        const largest = largestValue(whole, values);
        fc.pre(largest < 1e6);
        expectKept(whole, values, 1e-12 * largest);
      }),
      { seed: 2, numRuns: 150 },
    );
  });

  test.each(allCases)("of $name", ({ opCase, sizes }) => {
    expectKept(opCase.graph, opCase.values(sizes), 1e-14);
  });
});
