import { describe, expect, test } from "vitest";
import { composedGraphs } from "../../test/support/composed-graphs.ts";
import { allCases } from "../../test/support/ops-cases.ts";
import { add, broadcast, constant, exp, input, iota, matmul, mul, reshape, size, sum, weight } from "./build.ts";
import { check } from "./check.ts";
import type { Node } from "./types.ts";

const x = input("x", ["batch", 4]);
const w = weight("w", [4, 2]);

/** A node with something wrong. Users of it are made over the wrong one. */
const spoilt = (node: Node, change: Partial<Node>): Node => ({ ...node, ...change }) as Node;

test("what the builders make is right", () => {
  for (const { opCase } of allCases) check(opCase.graph);
  for (const { loss } of Object.values(composedGraphs)) check({ outputs: { loss } });
});

describe("names the line of what is wrong", () => {
  const product = matmul(x, w);
  const faults: readonly (readonly [title: string, node: Node, message: string])[] = [
    [
      "a shape that the inputs do not give",
      spoilt(product, { shape: ["batch", 4] }),
      "%0: f32[batch, 4] = matmul(x, w): its inputs give f32[batch, 2]",
    ],
    [
      "another type",
      spoilt(product, { dtype: "i64" }),
      "%0: i64[batch, 2] = matmul(x, w): its inputs give f32[batch, 2]",
    ],
    [
      "an inner node",
      exp(spoilt(exp(x), { shape: ["batch"] })),
      "%0: f32[batch] = exp(x): its inputs give f32[batch, 4]",
    ],
    [
      "inputs that do not fit",
      spoilt(product, { inputs: [x, x] }),
      "%0: f32[batch, 2] = matmul(x, x): matmul: inner dims must match, got [batch,4] and [batch,4] (NN)",
    ],
    [
      "inputs of another type",
      spoilt(exp(x), { inputs: [input("n", ["batch", 4], "i64")] }),
      "%0: f32[batch, 4] = exp(n): exp: expected f32, found i64",
    ],
    ["too few inputs", spoilt(product, { inputs: [x] }), "%0: f32[batch, 2] = matmul(x): inputs: expected 2, found 1"],
    [
      "too many inputs",
      spoilt(exp(x), { inputs: [x, x] }),
      "%0: f32[batch, 4] = exp(x, x): inputs: expected 1, found 2",
    ],
    [
      "parameters that do not fit",
      spoilt(reshape(x, ["batch", 2, 2]), { params: { shape: ["batch"] } }),
      "%0: f32[batch, 2, 2] = reshape(x) {shape=[batch]}: reshape: sizes must match, got [batch,4] to [batch]",
    ],
    ["a negative size", input("n", [-1]), "input n: f32[-1]: [-1] is not a shape"],
    ["half an element", input("n", [1.5]), "input n: f32[1.5]: [1.5] is not a shape"],
    ["a product in another spelling", input("n", ["seq*batch"]), "input n: f32[seq*batch]: [seq*batch] is not a shape"],
    ["no type", spoilt(x, { dtype: "f16" as never }), "input x: f16[batch, 4]: f16 is not a type"],
    ["a leaf without a name", input("", [2]), "input : f32[2]: the name is empty"],
    ["a weight without a name", weight("", [2]), "weight : f32[2]: the name is empty"],
    [
      "a weight of open shape",
      mul(x, weight("open", ["batch", 4])),
      "weight open: f32[batch, 4]: the shape of a weight must be known",
    ],
    [
      "a literal that does not fill its shape",
      spoilt(constant([1, 2], [2]), { shape: [3] }),
      "[1, 2]: f32[3] = constant(): 2 values do not fill [3]",
    ],
    [
      "a fraction as a whole number",
      constant([1, 1.5], [2], "i64"),
      "i64 [1, 1.5]: i64[2] = constant(): i64 values must be whole",
    ],
    [
      "a result that the op does not have",
      spoilt(exp(x), { op: "result", params: { index: 1 } }),
      "%0: f32[batch, 4] = result(x) {index=1}: internal: input has no result 1",
    ],
    [
      "a size that no input gives",
      iota("seq"),
      '%0: i64[seq] = iota() {dim=seq}: dimension "seq" is in the shape of no input',
    ],
    [
      "a size that no input gives, inside",
      size(["seq"]),
      '%0: f32[] = size() {dims=[seq]}: dimension "seq" is in the shape of no input',
    ],
  ];
  test.each(faults)("%s", (_, node, message) => {
    expect(() => check({ outputs: { result: node } })).toThrow(expect.objectContaining({ code: "E_SHAPE", message }));
  });

  test("a name that two leaves have", () => {
    const twice = { outputs: { result: add(x, input("x", [4])) } };
    expect(() => check(twice)).toThrow('input x: f32[4]: the name "x" is taken by another input');
    const both = { outputs: { result: matmul(x, weight("x", [4, 2])) } };
    expect(() => check(both)).toThrow('weight x: f32[4, 2]: the name "x" is taken by another input');
  });

  test("a result with the name of an input", () => {
    expect(() => check({ outputs: { x: exp(x) } })).toThrow(
      '%0: f32[batch, 4] = exp(x): the result "x" has the name of the input',
    );
  });

  test("sizes are given by any input", () => {
    check({ outputs: { result: sum(broadcast(constant(0), ["batch", 3])), same: x } });
  });
});
