import { expect, test } from "vitest";
import { add, exp, input, mul, neg, weight } from "./build.ts";
import { leavesOf, mapGraph, topological } from "./tree.ts";
import { isOp, type Node } from "./types.ts";

const x = input("x", [2]);

test("every node comes once, after its inputs", () => {
  const a = exp(x);
  const b = add(a, neg(a));
  const order = topological([b, a, mul(b, x)]);
  expect(new Set(order).size).toBe(order.length);
  expect(order).toHaveLength(5);
  for (const node of order)
    for (const input of node.inputs) expect(order.indexOf(input)).toBeLessThan(order.indexOf(node));
});

test("a chain of 100,000 nodes does not overflow the stack", () => {
  let node: Node = x;
  for (let i = 0; i < 100_000; i++) node = neg(node);
  expect(topological([node])).toHaveLength(100_001);
});

test("leaves are found by kind and name; a name stands for one of them", () => {
  const w = weight("w", [2]);
  const graph = { outputs: { y: add(mul(x, w), x) } };
  expect([...leavesOf(graph, "input")]).toEqual([["x", x]]);
  expect([...leavesOf(graph, "weight")]).toEqual([["w", w]]);
  const twice = { outputs: { y: add(x, input("x", [2])) } };
  expect(() => leavesOf(twice, "input")).toThrow(
    expect.objectContaining({ code: "E_SHAPE", message: 'input "x" is declared twice' }),
  );
});

test("mapping replaces nodes under what uses them, and leaves the rest as it is", () => {
  const kept = exp(x);
  const [result, same] = mapGraph([add(neg(x), kept), kept], (node) =>
    isOp(node, "neg") ? mul(node.inputs[0]!, x) : node,
  );
  expect(same).toBe(kept);
  expect(result!.inputs[1]).toBe(kept);
  expect(result!.inputs[0]!.op).toBe("mul");
});
