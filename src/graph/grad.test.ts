import { describe, expect, test } from "vitest";
import { composedGraphs } from "../../test/support/composed-graphs.ts";
import {
  distance,
  finiteDifference,
  leavesByName,
  probed,
  run,
  type Sizes,
  sampleLeaves,
} from "../../test/support/numeric.ts";
import { allCases, opCases } from "../../test/support/ops-cases.ts";
import {
  add,
  cast,
  constant,
  div,
  input,
  matmul,
  matmulNBits,
  max,
  mean,
  mul,
  reshape,
  rope,
  silu,
  softmax,
  sum,
  topKMask,
} from "./build.ts";
import { check } from "./check.ts";
import { grad } from "./grad.ts";
import { simplify } from "./simplify.ts";
import { numbersOf, tensor } from "./tensor.ts";
import { topological } from "./tree.ts";
import { isOp, type Node, type Op } from "./types.ts";

const ops = Object.keys(opCases) as Op[];

describe("every op", () => {
  test.each(ops)("%s: the gradient equals finite differences, or is refused where it claims so", (op) => {
    const { gradient } = opCases[op];
    if ("none" in gradient) return;
    const moving = new Set<string>();
    for (const { name, opCase, sizes } of allCases.filter((other) => other.op === op)) {
      const { loss } = probed(opCase.graph);
      const leaves = leavesByName(loss);
      const by = gradient.by.filter((leaf) => leaves.has(leaf));
      const wanted = by.map((leaf) => leaves.get(leaf)!);
      const differentiate = () => grad(loss, wanted);
      if ("blocked" in gradient) {
        expect(differentiate, name).toThrow(expect.objectContaining({ code: "E_RUNTIME" }));
        for (const leaf of by) moving.add(leaf);
        continue;
      }
      const outputs = { loss, ...Object.fromEntries(differentiate().map((node, i) => [`d ${by[i]}`, node])) };
      check({ outputs });
      const values = { ...sampleLeaves({ outputs }, sizes), ...opCase.values(sizes) };
      const found = run({ outputs }, values);
      for (const leaf of by) {
        const actual = numbersOf(found[`d ${leaf}`]!);
        expect(found[`d ${leaf}`]!.shape, name).toEqual(values[leaf]!.shape);
        expect(distance(actual, finiteDifference(loss, values, leaf)), `${name}, by ${leaf}`).toBeLessThan(1e-7);
        if (actual.some((value) => value !== 0)) moving.add(leaf);
      }
    }
    expect([...moving].sort(), "leaves with a gradient").toEqual("zero" in gradient ? [] : [...gradient.by].sort());
  });
});

/** Checks a scalar's gradient by leaves against finite differences. */
function expectGradient(loss: Node, by: readonly Node[], sizes: Sizes = {}, ranges = {}): void {
  const gradients = grad(loss, by);
  const outputs = { loss, ...Object.fromEntries(gradients.map((node, i) => [`d${i}`, node])) };
  check({ outputs });
  const values = sampleLeaves({ outputs }, sizes, ranges);
  const found = run({ outputs }, values);
  by.forEach((node, i) => {
    const { name } = node.params as { name: string };
    expect(gradients[i]!.shape).toEqual(node.shape);
    expect(distance(numbersOf(found[`d${i}`]!), finiteDifference(loss, values, name)), name).toBeLessThan(1e-7);
  });
}

const text = input("x", ["batch", "seq", 4]);
const sizes: readonly Sizes[] = [
  { batch: 2, seq: 3 },
  { batch: 1, seq: 4 },
];

describe("composed graphs", () => {
  test("a value used many times gets the sum of its gradients", () => {
    const h = silu(text);
    const fan = add(mul(h, h), mul(h, add(h, text)));
    for (const size of sizes) expectGradient(sum(mul(fan, fan)), [text], size);
  });

  test("the same node as both inputs of an op counts twice", () => {
    const x = input("x", [3, 3]);
    expectGradient(sum(matmul(x, x)), [x]);
    expectGradient(sum(div(mul(x, x), add(x, constant(3)))), [x]);
  });

  test("gradients sum over the axes that were broadcast, symbolic ones too", () => {
    const row = input("row", [4]);
    const column = input("column", ["seq", 1]);
    const one = input("one", [1, 1, 1]);
    const loss = mean(mul(softmax(add(mul(text, row), column)), add(one, mul(column, text))));
    for (const size of sizes) expectGradient(loss, [text, row, column, one], size);
  });

  test("a symbolic axis of size 1 at run time is not taken for a broadcast one", () => {
    const other = input("other", ["batch", "seq", 4]);
    expectGradient(sum(mul(mul(text, other), text)), [text, other], { batch: 1, seq: 1 });
  });

  test("the leaves a loss does not depend on get zeros of their shape", () => {
    const unused = input("unused", ["batch", 2]);
    const [dUnused, dx] = grad(sum(mul(text, text)), [unused, text]);
    const outputs = { dUnused: dUnused!, dx: dx!, unused };
    const found = run({ outputs }, sampleLeaves({ outputs }, { batch: 2, seq: 3 }));
    expect(found["dUnused"]).toMatchObject({ shape: [2, 2], dtype: "f32" });
    expect(numbersOf(found["dUnused"]!)).toEqual([0, 0, 0, 0]);
  });

  test("by an inner value: what lies below it does not matter", () => {
    const h = silu(text);
    const [dh] = grad(sum(mul(h, h)), [h]);
    const found = run({ outputs: { dh: dh!, h } }, sampleLeaves({ outputs: { h } }, { batch: 1, seq: 2 }));
    expect(
      distance(
        numbersOf(found["dh"]!),
        numbersOf(found["h"]!).map((value) => 2 * value),
      ),
    ).toBe(0);
  });

  test("by the loss itself it is one", () => {
    const loss = sum(input("x", [2]));
    const [d] = grad(loss, [loss]);
    expect(numbersOf(run({ outputs: { d: d! } }, {})["d"]!)).toEqual([1]);
  });

  test("the loss must be a scalar", () => {
    expect(() => grad(text, [text])).toThrow(
      expect.objectContaining({ code: "E_SHAPE", message: "grad: the loss must be a scalar, got [batch,seq,4]" }),
    );
  });

  test("refuses rather than giving zeros where a gradient exists but has no rule", () => {
    const [cos, sin] = [input("cos", [8, 2]), input("sin", [8, 2])];
    const turned = rope(input("h", ["batch", 1, "seq", 4]), input("n", ["batch", "seq"], "i64"), cos, sin);
    const [packed, scales] = [input("packed", [3, 1, 8], "u8"), input("scales", [3])];
    const product = matmulNBits([input("z", ["batch", 16]), packed, scales], { n: 3, k: 16, bits: 4, blockSize: 16 });
    expect(() => grad(sum(turned), [cos])).toThrow("the table of rope has no gradient");
    expect(() => grad(sum(turned), [sin])).toThrow("the table of rope has no gradient");
    expect(() => grad(sum(product), [scales])).toThrow("the weight of matmulNBits has no gradient");
  });

  test("the gradient of a gradient is right", () => {
    const x = input("x", ["batch", 3]);
    const w = input("w", [3, 3]);
    const loss = sum(softmax(matmul(silu(x), w)), [0]);
    const [dx] = grad(sum(mul(loss, loss)), [x]);
    expectGradient(sum(mul(dx!, dx!)), [x, w], { batch: 2 });
  });

  test("ties of max share the gradient", () => {
    const x = input("x", [4]);
    const [dx] = grad(max(x), [x]);
    const found = run({ outputs: { dx: dx! } }, { x: tensor([4], [3, 1, 3, 2]) });
    expect(numbersOf(found["dx"]!)).toEqual([0.5, 0, 0.5, 0]);
  });

  test("nothing flows through conditions, masks and whole numbers", () => {
    const mask = topKMask(text, 2);
    const whole = cast(cast(text, "i64"), "f32");
    const loss = sum(add(mul(mask, text), mul(whole, text)));
    for (const size of sizes) expectGradient(loss, [text], size, { x: [-4, 4] });
  });

  test.each(Object.values(composedGraphs))("$title", ({ loss, by, sizes: chosen, ranges }) => {
    const leaves = leavesByName(loss);
    for (const size of chosen) {
      expectGradient(
        loss,
        by.map((name) => leaves.get(name)!),
        size,
        ranges,
      );
    }
  });
});

describe("a softmax before a product", () => {
  const [rows, keys, width] = [3, 5, 2];
  const x = input("x", [2, rows, keys]);
  const v = input("v", [2, keys, width]);
  const probe = input("probe", [2, rows, width]);
  const loss = (weights: Node) => sum(mul(matmul(weights, v, { alpha: 0.5 }), probe));

  test("its gradient sums over the width of the values, not over the keys", () => {
    const { outputs } = simplify({ outputs: { dx: grad(loss(softmax(x)), [x])[0]! } });
    const summed = topological(Object.values(outputs)).flatMap((node) => (isOp(node, "sum") ? [node.inputs[0]!] : []));
    expect(summed.map(({ shape }) => shape)).toEqual([[2, rows, width]]);
  });

  test("the gradient is right whatever lies between: a reshape, a sum, another product of the same size", () => {
    const stacked = (weights: Node) => reshape(reshape(weights, [2 * rows, keys]), [2, rows, keys]);
    const between = [stacked, (weights: Node) => add(weights, weights), (weights: Node) => mul(weights, x)];
    for (const pass of between) expectGradient(loss(pass(softmax(x))), [x, v]);
    // The gradient that reaches this softmax is a product of other rows, reshaped.
    const other = reshape(softmax(input("y", [3, 2, 4])), [4, 6]);
    expectGradient(sum(mul(matmul(other, input("w", [6, 3])), input("p", [4, 3]))), [...leaves(other)]);
  });
});

const leaves = (node: Node): Node[] => topological([node]).filter(({ op }) => op === "input");
