import { describe, expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import {
  binomialError,
  mean,
  pairedBootstrap,
  quantile,
  standardDeviation,
  standardError,
  studentCoverage,
  studentInterval,
  studentQuantile,
} from "./statistics.ts";

describe("means and errors", () => {
  test("of a small sample are those done by hand", () => {
    expect(mean([2, 4, 4, 4, 5, 5, 7, 9])).toBe(5);
    expect(standardDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(standardError([1, 3])).toBe(1);
    expect(standardError([1])).toBeNaN();
  });

  test("the binomial error is the standard error of zeros and ones", () => {
    const answers = [1, 1, 1, 0, 1, 0, 0, 1, 1, 1];
    expect(binomialError(0.7, 10)).toBeCloseTo(standardError(answers), 12);
  });

  test("a binomial error over 500 answers never exceeds 0.0224", () => {
    expect(binomialError(0.5, 500)).toBeCloseTo(0.0224, 4);
  });

  test("quantiles interpolate between neighbours", () => {
    expect(quantile([1, 2, 3, 4], 0)).toBe(1);
    expect(quantile([1, 2, 3, 4], 1)).toBe(4);
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4], 1 / 3)).toBeCloseTo(2, 12);
  });
});

describe("Student's t", () => {
  // Two-sided 95 % points as printed in tables.
  test.each([
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [4, 2.776],
    [5, 2.571],
    [10, 2.228],
    [29, 2.045],
    [30, 2.042],
    [120, 1.98],
    [100_000, 1.96],
  ])("with %i degrees of freedom has its 95%% point at %f", (degrees, printed) => {
    expect(studentQuantile(0.95, degrees)).toBeCloseTo(printed, 3);
  });

  test("with one degree of freedom is the Cauchy distribution", () => {
    for (const t of [0.1, 1, 7]) expect(studentCoverage(t, 1)).toBeCloseTo((2 / Math.PI) * Math.atan(t), 12);
  });

  test("gives three seeds an interval of 4.303 standard errors", () => {
    const { low, high } = studentInterval([1, 2, 3]);
    expect(low).toBeCloseTo(2 - 4.3027 / Math.sqrt(3), 3);
    expect(high).toBeCloseTo(2 + 4.3027 / Math.sqrt(3), 3);
  });
});

describe("the paired bootstrap", () => {
  const draw = (seed: number, shift: number, n: number) => {
    const rng = createRng(seed);
    return Array.from({ length: n }, () => rng.normal() + shift);
  };

  test("is determined by its seed", () => {
    const groups = [draw(1, 0, 20), draw(2, 0, 30)];
    const run = (seed: number) => pairedBootstrap(groups, { rng: createRng(seed), resamples: 500 });
    expect(run(3)).toEqual(run(3));
    expect(run(3)).not.toEqual(run(4));
  });

  test("agrees with the normal interval of one large group", () => {
    const values = draw(5, 0.3, 400);
    const { difference, low, high } = pairedBootstrap([values], { rng: createRng(6) });
    expect(difference).toBeCloseTo(mean(values), 12);
    expect(low).toBeCloseTo(mean(values) - 1.96 * standardError(values), 1);
    expect(high).toBeCloseTo(mean(values) + 1.96 * standardError(values), 1);
  });

  test("weighs groups equally, whatever their size", () => {
    const { difference } = pairedBootstrap([[1], new Array(99).fill(0)], { rng: createRng(7), resamples: 10 });
    expect(difference).toBe(0.5);
  });

  test("has no width where nothing varies within the groups", () => {
    const { low, high } = pairedBootstrap(
      [
        [1, 1, 1],
        [0, 0],
      ],
      { rng: createRng(8), resamples: 100 },
    );
    expect([low, high]).toEqual([0.5, 0.5]);
  });

  test("covers the truth about as often as it says", () => {
    let covered = 0;
    for (let i = 0; i < 200; i++) {
      const groups = [draw(1000 + i, 0.5, 40), draw(5000 + i, 0.1, 40)];
      const { low, high } = pairedBootstrap(groups, { rng: createRng(i), resamples: 400 });
      if (low <= 0.3 && 0.3 <= high) covered++;
    }
    expect(covered / 200).toBeGreaterThan(0.88);
    expect(covered / 200).toBeLessThan(0.99);
  });
});
