import { expect, test } from "vitest";
import { composedGraphs } from "../../test/support/composed-graphs.ts";
import { leavesByName } from "../../test/support/numeric.ts";
import {
  add,
  broadcast,
  cachedAttention,
  constant,
  gather,
  input,
  matmul,
  mul,
  pad,
  reshape,
  sum,
  weight,
} from "./build.ts";
import { grad } from "./grad.ts";
import { nameValues, print, printNode } from "./print.ts";
import { simplify } from "./simplify.ts";

const x = input("x", ["batch", "seq", 64]);

test("a line says name, type, op, inputs and what is not usual about them", () => {
  const product = matmul(x, weight("layers.0.w", [32, 64]), { transB: true, alpha: 0.5 });
  const graph = { outputs: { y: sum(product, [1], { keepDims: true }), z: product } };
  expect(print(graph)).toBe(
    [
      "input x: f32[batch, seq, 64]",
      "weight layers.0.w: f32[32, 64]",
      "%0: f32[batch, seq, 32] = matmul(x, layers.0.w) {transB, alpha=0.5}",
      "%1: f32[batch, 1, 32] = sum(%0) {axes=[1], keepDims}",
      "return y = %1",
      "return z = %0",
      "",
    ].join("\n"),
  );
});

test("literals stand where they are used, long ones cut, with type and shape where those are not plain", () => {
  const steps = Array.from({ length: 12 }, (_, i) => i);
  const value = gather(mul(add(x, constant(-0)), constant([0.5, 1], [2, 1, 1, 1])), constant(steps, [3, 4], "i64"));
  expect(print({ outputs: { value, one: constant(1) } })).toMatchInlineSnapshot(`
    "input x: f32[batch, seq, 64]
    %0: f32[batch, seq, 64] = add(x, -0)
    %1: f32[2, batch, seq, 64] = mul(%0, [0.5, 1] as [2, 1, 1, 1])
    %2: f32[3, 4, batch, seq, 64] = gather(%1, i64 [0, 1, 2, 3, 4, 5, 6, 7, …] as [3, 4])
    return value = %2
    return one = 1
    "
  `);
});

test("shapes that the type says already are not said twice", () => {
  const value = pad(broadcast(reshape(x, ["batch*seq", 64]), [2, "batch*seq", 64]), 2, 1, 0);
  expect(print({ outputs: { value } })).toMatchInlineSnapshot(`
    "input x: f32[batch, seq, 64]
    %0: f32[batch*seq, 64] = reshape(x)
    %1: f32[2, batch*seq, 64] = broadcast(%0)
    %2: f32[2, batch*seq, 65] = pad(%1) {axis=2, before=1, after=0}
    return value = %2
    "
  `);
});

test("further results name the op they come from", () => {
  const [q, k] = [input("q", ["b", "t", 16]), input("k", ["b", "t", 8])];
  const [past, last, total] = [input("past", ["b", 1, 6, 8]), input("last", ["b"], "i64"), input("total", [], "i64")];
  const { presentK } = cachedAttention([q, k, k, past, past, last, total], {
    heads: 2,
    kvHeads: 1,
    scale: 0.5,
    window: 0,
    cap: 0,
  });
  expect(print({ outputs: { presentK } })).toMatchInlineSnapshot(`
    "input q: f32[b, t, 16]
    input k: f32[b, t, 8]
    input past: f32[b, 1, 6, 8]
    input last: i64[b]
    input total: i64[]
    %0: f32[b, t, 16] = cachedAttention(q, k, k, past, past, last, total) {heads=2, kvHeads=1, scale=0.5, window=0, cap=0}
    %1: f32[b, 1, 6, 8] = result(%0) {index=1}
    return presentK = %1
    "
  `);
});

test("a node alone, in a graph it is not part of, has no number", () => {
  expect(printNode(add(x, x), nameValues({ outputs: { x } }))).toBe("%?: f32[batch, seq, 64] = add(x, x)");
});

test("the same graph prints the same, and a whole model is readable: a mixture with its gradients, simplified", () => {
  const { loss, by } = composedGraphs.mixture;
  const leaves = leavesByName(loss);
  const gradients = () =>
    grad(
      loss,
      by.map((name) => leaves.get(name)!),
    );
  const text = () =>
    print(simplify({ outputs: { loss, ...Object.fromEntries(gradients().map((d, i) => [`d ${by[i]}`, d])) } }));
  expect(text()).toBe(text());
  expect(text()).toMatchSnapshot();
});
