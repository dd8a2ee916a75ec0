import { expect, test } from "vitest";
import { scaleConfidence } from "./confidence.ts";

test("a temperature divides the log-odds: the order stays, and so do 0, 1/2 and 1", () => {
  expect(scaleConfidence(0.9, 2)).toBeCloseTo(0.75, 12); // odds of 9 become 3
  expect(scaleConfidence(0.9, 0.5)).toBeCloseTo(81 / 82, 12);
  for (const temperature of [0.05, 1, 20]) {
    const scaled = [0, 1e-9, 0.3, 0.5, 0.8, 1 - 1e-9, 1].map((value) => scaleConfidence(value, temperature));
    expect([...scaled].sort((a, b) => a - b)).toEqual(scaled);
    expect([scaled[0], scaled[3], scaled[6]]).toEqual([0, 0.5, 1]);
  }
});
