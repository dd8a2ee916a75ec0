import { expect, test } from "vitest";
import { input } from "../graph/build.ts";
import { interpret } from "../graph/interpret.ts";
import { tensor } from "../graph/tensor.ts";
import { clipFactor, globalNorm } from "./clip.ts";

const norm = globalNorm([input("a", [2]), input("b", [1, 2])]);
const graph = { outputs: { norm, factor: clipFactor(norm, 2) } };
const run = (a: number[], b: number[]) => {
  const { norm, factor } = interpret(graph, { inputs: { a: tensor([2], a), b: tensor([1, 2], b) } });
  return { norm: norm!.data[0], factor: factor!.data[0] };
};

test("the norm is over all gradients together, and longer ones are scaled to the limit", () => {
  expect(run([1, 2], [2, 4])).toEqual({ norm: 5, factor: 0.4 });
});

test("gradients within the limit are left alone, zero ones too", () => {
  expect(run([1, 0], [1, 0])).toEqual({ norm: Math.SQRT2, factor: 1 });
  expect(run([0, 0], [0, 0])).toEqual({ norm: 0, factor: 1 });
});

test("a gradient that is not finite is not hidden by clipping", () => {
  expect(run([Number.NaN, 0], [0, 0]).norm).toBeNaN();
  expect(run([Number.POSITIVE_INFINITY, 0], [0, 0]).norm).toBe(Number.POSITIVE_INFINITY);
});
