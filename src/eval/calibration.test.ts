import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { scaleConfidence } from "../decode/confidence.ts";
import {
  type Choice,
  calibrationOf,
  fitTemperature,
  judge,
  negativeLogLikelihood,
  probabilities,
} from "./calibration.ts";

test("a probability is the softmax of log-likelihoods by temperature, also of very small ones", () => {
  const [first, second] = probabilities([-1000, -1000 - Math.log(3)], 1);
  expect(first).toBeCloseTo(0.75, 12);
  expect(second).toBeCloseTo(0.25, 12);
  expect(probabilities([0, -Math.log(3)], 0.5)[0]).toBeCloseTo(0.9, 12);
});

test("the calibration error is the mean gap of confidence and accuracy, by bins and their sizes", () => {
  const judged = (confidence: number, rights: readonly number[]) =>
    rights.map((right) => ({ confidence, right: right === 1 }));
  const result = calibrationOf([...judged(0.9, [1, 1, 0]), ...judged(0.3, [0])])!;
  expect(result.error).toBeCloseTo((3 / 4) * (0.9 - 2 / 3) + (1 / 4) * 0.3, 12);
  expect(result.accuracy).toBe(0.5);
  expect(result.accuracyAt.find(({ coverage }) => coverage === 0.7)!.accuracy).toBeCloseTo(2 / 3, 12);
  expect(result.accuracyAt.find(({ coverage }) => coverage === 1)!.accuracy).toBe(0.5);
  expect(calibrationOf([])).toBeUndefined();
});

/** Targets drawn from the very probabilities that the log-likelihoods, times `sharpness`, no longer say. */
function drawn(sharpness: number): Choice[] {
  const rng = createRng(3);
  return Array.from({ length: 4000 }, () => {
    const honest = Array.from({ length: 4 }, () => 2 * rng.normal());
    const all = probabilities(honest, 1);
    const at = rng.next();
    const target = all.findIndex((_, i) => at < all.slice(0, i + 1).reduce((a, b) => a + b));
    return { logLikelihoods: honest.map((value) => value * sharpness), target: target < 0 ? 3 : target };
  });
}

test.each([0.5, 1, 3])(
  "log-likelihoods %s times too sharp get that temperature, and are then calibrated",
  (sharpness) => {
    const choices = drawn(sharpness);
    const temperature = fitTemperature(choices)!;
    expect(Math.abs(temperature / sharpness - 1)).toBeLessThan(0.08);
    for (const other of [temperature * 0.9, temperature * 1.1])
      expect(negativeLogLikelihood(choices, temperature)).toBeLessThan(negativeLogLikelihood(choices, other));
    const error = (at: number) => calibrationOf(choices.map((choice) => judge(choice, at)))!.error;
    expect(error(temperature)).toBeLessThan(0.03);
    if (sharpness !== 1) expect(error(1)).toBeGreaterThan(0.08);
  },
);

test("the probability of a label that was written gets the temperature under which it says how often it is right", () => {
  const rng = createRng(5);
  const answers = Array.from({ length: 4000 }, () => {
    const honest = 0.3 + 0.7 * rng.next();
    return { confidence: scaleConfidence(honest, 1 / 3), right: rng.next() < honest }; // three times too sure
  });
  const temperature = fitTemperature(answers)!;
  expect(Math.abs(temperature / 3 - 1)).toBeLessThan(0.1);
  const error = (at: number) => calibrationOf(answers.map((answer) => judge(answer, at)))!.error;
  expect(error(1)).toBeGreaterThan(0.1);
  expect(error(temperature)).toBeLessThan(0.03);
});

test("a temperature stays within its bounds where every answer is right, or wrong, and without choices there is none", () => {
  const choice = (target: number): Choice => ({ logLikelihoods: [0, -1], target });
  expect(fitTemperature([choice(0)])).toBeCloseTo(0.05, 3);
  expect(fitTemperature([choice(1)])).toBeCloseTo(20, 0);
  expect(fitTemperature([])).toBeUndefined();
});
