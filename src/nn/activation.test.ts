import { expect, test } from "vitest";
import { input } from "../graph/build.ts";
import { interpret } from "../graph/interpret.ts";
import { numbersOf, tensor } from "../graph/tensor.ts";
import { softCap } from "./activation.ts";

test("a soft cap is cap · tanh(x / cap); without one values stay", () => {
  const x = input("x", [7]);
  const values = [-200, -5, -0.01, 0, 0.3, 4, 90];
  const [capped] = [interpret({ outputs: { y: softCap(x, 3) } }, { inputs: { x: tensor([7], values) } })["y"]!];
  values.forEach((value, i) => {
    expect(numbersOf(capped)[i]).toBeCloseTo(3 * Math.tanh(value / 3), 12);
  });
  expect(softCap(x, 0)).toBe(x);
});
