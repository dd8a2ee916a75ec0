import { expect, test } from "vitest";
import { learningRate, type Schedule } from "./schedule.ts";

const schedule = (changes: Partial<Schedule>): Schedule => ({
  kind: "cosine",
  peak: 1,
  warmupSteps: 4,
  totalSteps: 12,
  finalShare: 0,
  ...changes,
});

test.each([
  // Steps 1 … 4 rise; 8 is half-way down; 12 is the end.
  ["cosine", 0, [0.25, 0.5, 0.75, 1], 0.5, 0],
  ["cosine", 0.1, [0.25, 0.5, 0.75, 1], 0.55, 0.1],
  ["linear", 0, [0.25, 0.5, 0.75, 1], 0.5, 0],
  ["linear", 0.2, [0.25, 0.5, 0.75, 1], 0.6, 0.2],
  ["constant", 0, [0.25, 0.5, 0.75, 1], 1, 1],
] as const)("%s with a final share of %f", (kind, finalShare, rise, half, end) => {
  const rates = [1, 2, 3, 4, 8, 12].map((step) => learningRate(step, schedule({ kind, finalShare })));
  [...rise, half, end].forEach((expected, i) => {
    expect(rates[i]).toBeCloseTo(expected, 12);
  });
});

test("the cosine is not the line: a quarter of the way down it is still above", () => {
  expect(learningRate(6, schedule({}))).toBeCloseTo(0.5 * (1 + Math.SQRT1_2), 12);
});

test("without a warm-up the first step is already on the way down from the peak", () => {
  expect(learningRate(1, schedule({ kind: "linear", warmupSteps: 0, totalSteps: 10 }))).toBeCloseTo(0.9, 12);
});

test("steps beyond the end keep the last rate", () => {
  expect(learningRate(50, schedule({ finalShare: 0.1 }))).toBeCloseTo(0.1, 12);
});

test("a warm-up as long as the run ends at the peak", () => {
  expect(learningRate(12, schedule({ warmupSteps: 12 }))).toBe(1);
});
