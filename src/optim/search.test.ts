import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { bestFirst, drawCandidates, nextSearchState, requireCem } from "./search.ts";

const options = { population: 4, elites: 2 };

test("the next Gaussian has mean and unbiased deviation of the best candidates", () => {
  const before = { mean: [0], deviation: [1] };
  const drawn = { candidates: [[0], [2], [4], [10]], scores: [1, 3, 4, 2] };
  expect(nextSearchState(before, drawn, options)).toEqual({ mean: [3], deviation: [Math.SQRT2] }); // of 2 and 4
  expect(nextSearchState(before, drawn, { ...options, elites: 3 })).toEqual({
    mean: [16 / 3],
    deviation: [expect.closeTo(Math.sqrt(52 / 3), 12)], // of 2, 4 and 10: (100 + 16 + 196) / 9 / 2
  });
  expect(nextSearchState(before, drawn, { ...options, elites: 1 })).toEqual({ mean: [4], deviation: [0] });
});

test("smoothing keeps a share of what was, and no deviation falls below its floor", () => {
  const before = { mean: [1, 1], deviation: [2, 2] };
  const drawn = {
    candidates: [
      [5, 0],
      [5, 0],
      [0, 0],
      [0, 0],
    ],
    scores: [1, 1, 0, 0],
  };
  expect(nextSearchState(before, drawn, { ...options, smoothing: 0.25 })).toEqual({
    mean: [4, 0.25],
    deviation: [0.5, 0.5],
  });
  expect(nextSearchState(before, drawn, { ...options, minDeviation: 0.1 }).deviation).toEqual([0.1, 0.1]);
});

test("scores are ordered from the highest; equal ones stay in order, and what is no number comes last", () => {
  expect(bestFirst([1, Number.NaN, 3, -Infinity, 3])).toEqual([2, 4, 0, 1, 3]);
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true })), (scores) => {
      const sorted = bestFirst(scores).map((place) => scores[place]!);
      expect(sorted).toEqual([...scores].sort((a, b) => (a === b ? 0 : b > a ? 1 : -1)));
    }),
    { numRuns: 50 },
  );
});

test("candidates are drawn around the mean with each number's own deviation, alike for one seed", () => {
  const state = { mean: [10, -1], deviation: [0.5, 0] };
  const many = { population: 4000, elites: 1 };
  const drawn = drawCandidates(state, createRng(1), many);
  expect(drawn).toEqual(drawCandidates(state, createRng(1), many));
  expect(drawn).not.toEqual(drawCandidates(state, createRng(2), many));
  const first = drawn.map(([value]) => value!);
  const mean = first.reduce((a, b) => a + b, 0) / first.length;
  const variance = first.reduce((sum, value) => sum + (value - mean) ** 2, 0) / first.length;
  expect(Math.abs(mean - 10)).toBeLessThan(0.03);
  expect(Math.abs(Math.sqrt(variance) - 0.5)).toBeLessThan(0.03);
  expect(drawn.every(([, value]) => value === -1)).toBe(true);
});

test.each([
  [{ population: 1, elites: 1 }, "population"],
  [{ population: 4, elites: 5 }, "elites"],
  [{ ...options, smoothing: 1 }, "smoothing"],
  [{ ...options, minDeviation: Number.NaN }, "minDeviation"],
  [{ ...options, bounds: [1, 0] as const }, "bounds"],
])("%j is refused, naming %s", (given, word) => {
  expect(() => requireCem(given)).toThrow(expect.objectContaining({ code: "E_CONFIG" }));
  expect(() => requireCem(given)).toThrow(word);
});
