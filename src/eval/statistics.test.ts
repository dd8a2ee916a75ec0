import { describe, expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import {
  clusterBootstrap,
  columnMeans,
  harmonicMean,
  holm,
  itemsOf,
  mean,
  quantile,
  signFlipTest,
  standardErrorOf,
  wilson,
} from "./statistics.ts";

describe("means", () => {
  test("of a small sample are those done by hand", () => {
    expect(mean([2, 4, 4, 4, 5, 5, 7, 9])).toBe(5);
    expect(harmonicMean([1, 0.5])).toBeCloseTo(2 / 3, 12);
    expect(harmonicMean([1, 0])).toBe(0);
  });

  test("quantiles interpolate between neighbours", () => {
    expect(quantile([1, 2, 3, 4], 0)).toBe(1);
    expect(quantile([1, 2, 3, 4], 1)).toBe(4);
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4], 1 / 3)).toBeCloseTo(2, 12);
  });
});

test("the interval of a share has a width at its ends too", () => {
  // Newcombe 1998, table I: 81 of 263 and 0 of 20.
  expect(wilson(81, 263)).toEqual({ low: expect.closeTo(0.2553, 4), high: expect.closeTo(0.3662, 4) });
  expect(wilson(0, 20)).toEqual({ low: 0, high: expect.closeTo(0.1611, 4) });
  expect(wilson(20, 20).high).toBe(1);
});

test("a standard error is that of items: √(p(1 − p)/(n − 1)) of one answer each, and the same of five alike", () => {
  const answers = [1, 0, 0, 1, 0, 0, 0, 1];
  const inputs = answers.map((_, i) => `input ${i}`);
  const expected = Math.sqrt((0.375 * 0.625) / 7);
  expect(standardErrorOf(answers, itemsOf(inputs))).toBeCloseTo(expected, 12);
  const five = [1, 2, 3, 4, 5];
  const repeated = itemsOf(five.flatMap(() => inputs));
  expect(
    standardErrorOf(
      five.flatMap(() => answers),
      repeated,
    ),
  ).toBeCloseTo(expected, 12);
});

const draw = (seed: number, shift: number, n: number) => {
  const rng = createRng(seed);
  return Array.from({ length: n }, () => rng.normal() + shift);
};
const first = ([value]: readonly number[]): number => value!;

describe("the bootstrap clustered by task", () => {
  test("is determined by its seed", () => {
    const tasks = [[draw(1, 0, 20)], [draw(2, 0, 30)]];
    const run = (seed: number) => clusterBootstrap(tasks, first, { rng: createRng(seed), resamples: 500 });
    expect(run(3)).toEqual(run(3));
    expect(run(3)).not.toEqual(run(4));
  });

  test("agrees with the normal interval of one large task", () => {
    const values = draw(5, 0.3, 400);
    const { low, high } = clusterBootstrap([[values]], first, { rng: createRng(6) });
    expect(low).toBeCloseTo(mean(values) - 1.96 / Math.sqrt(400), 1);
    expect(high).toBeCloseTo(mean(values) + 1.96 / Math.sqrt(400), 1);
  });

  test("has the width of the tasks' spread, however many questions each has", () => {
    const tasks = [0, 0, 0, 1, 1, 1].map((value) => [new Array<number>(500).fill(value)]);
    const { low, high } = clusterBootstrap(tasks, first, { rng: createRng(7) });
    expect(low).toBeLessThan(0.2);
    expect(high).toBeGreaterThan(0.8);
  });

  test("weighs tasks equally, whatever their size", () => {
    expect(columnMeans([[[1]], [new Array<number>(99).fill(0)]])).toEqual([0.5]);
  });

  test("pairs columns: a difference of columns that always agree has no width", () => {
    const tasks = [draw(8, 0, 30), draw(9, 1, 30)].map((values) => [values, values.map((value) => value - 0.25)]);
    const { low, high } = clusterBootstrap(tasks, ([one, two]) => one! - two!, { rng: createRng(8) });
    expect(low).toBeCloseTo(0.25, 12);
    expect(high).toBeCloseTo(0.25, 12);
  });

  test("covers the mean over all tasks about as often as it says", () => {
    let covered = 0;
    for (let i = 0; i < 200; i++) {
      const means = draw(9000 + i, 0.3, 20); // tasks differ far more than questions
      const tasks = means.map((shift, t) => [draw(1000 * i + t, shift, 10)]);
      const { low, high } = clusterBootstrap(tasks, first, { rng: createRng(i), resamples: 400 });
      if (low <= 0.3 && 0.3 <= high) covered++;
    }
    expect(covered / 200).toBeGreaterThan(0.88);
    expect(covered / 200).toBeLessThan(0.99);
  });
});

describe("tests of differences", () => {
  test("by sign flips are exact for few tasks", () => {
    expect(signFlipTest([1, 1, 1, 1, 1], createRng(1))).toBe(2 / 32); // all signs alike, either way
    expect(signFlipTest([1, -1], createRng(1))).toBe(1);
    expect(signFlipTest([0.1, 0.2, 0.7], createRng(1))).toBe(2 / 8);
  });

  test("by sign flips of many tasks find a clear difference and none where there is none", () => {
    expect(signFlipTest(draw(1, 1, 40), createRng(2))).toBeLessThan(0.001);
    expect(signFlipTest(draw(3, 0, 40), createRng(2))).toBeGreaterThan(0.01);
  });

  test("are corrected by Holm as in his paper's steps", () => {
    // ordered 0.01, 0.02, 0.04, 0.05: times 4, 3, 2, 1, never falling
    expect(holm([0.04, 0.01, 0.05, 0.02])).toEqual([0.08, 0.04, 0.08, 0.06]);
    expect(holm([0.9, 0.8])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });
});
