import { expect, test } from "vitest";
import { differencesOverSeeds, overSeeds } from "./seeds.ts";
import type { EvalReport } from "./summarize.ts";

/** A report of two tasks whose accuracies are given. */
function report(a: number, b: number, difference: number): EvalReport {
  const cell = (accuracy: number) => ({ n: 10, accuracy, stderr: 0.1, inputTokens: 20, msPerQuery: null });
  const mean = { ...cell((a + b) / 2), tasks: 2, n: 20, harmonic: 0 };
  return {
    tasks: { a: { specialized: cell(a) }, b: { specialized: cell(b) } },
    mean: { specialized: mean },
    comparisons: { "specialized-vs-base": { difference, low: difference - 0.1, high: difference + 0.1, tasks: {} } },
  };
}

test("the error of a mean over seeds comes from the seeds, not from the queries", () => {
  const reports = [report(0.4, 0.6, 0.1), report(0.5, 0.7, 0.2), report(0.6, 0.8, 0.3)];
  const { specialized } = overSeeds(reports, ["a", "b"]);
  expect(specialized).toMatchObject({ tasks: 2, n: 60, inputTokens: 20, msPerQuery: null });
  expect(specialized!.accuracy).toBeCloseTo(0.6, 12);
  expect(specialized!.stderr).toBeCloseTo(0.1 / Math.sqrt(3), 12);
  expect(specialized!.interval!.low).toBeCloseTo(0.6 - (4.3027 * 0.1) / Math.sqrt(3), 4);
  expect(specialized!.perSeed).toHaveLength(3);
  expect(overSeeds(reports, ["a"]).specialized!.accuracy).toBeCloseTo(0.5, 12);
  const difference = differencesOverSeeds(reports)["specialized-vs-base"]!;
  expect(difference.difference).toBeCloseTo(0.2, 12);
  expect(difference.stderr).toBeCloseTo(0.1 / Math.sqrt(3), 12);
  expect(difference.perSeed[2]).toEqual({ difference: 0.3, low: 0.3 - 0.1, high: 0.3 + 0.1 });
});

test("a single seed has no error", () => {
  expect(overSeeds([report(0.4, 0.6, 0.1)], ["a"]).specialized!.stderr).toBeNull();
  expect(differencesOverSeeds([report(0.4, 0.6, 0.1)])["specialized-vs-base"]!.stderr).toBeNull();
});
