/** @file The interval by which the service's memory is called flat. */
import { expect, test } from "vitest";
import { createRng } from "../src/base/rng.ts";
import { slopeOf } from "./support/slope.ts";

/** Measurements that are like their neighbours: each is `alike` times the one before, and a new part. */
function drift(seed: number, { alike, slope = 0, n = 360 }: { alike: number; slope?: number; n?: number }) {
  const noise = createRng(`drift ${seed}`).fillNormal(new Float32Array(n), 1);
  let now = 0;
  const times = Array.from({ length: n }, (_, i) => i);
  const values = times.map((time) => {
    now = alike * now + noise[time]!;
    return now + slope * time;
  });
  return slopeOf(times, values);
}

test.each([
  { alike: 0, wanted: 0.93 },
  { alike: 0.8, wanted: 0.93 },
  { alike: 0.95, wanted: 0.88 },
])("where neighbours are alike by $alike the interval holds what is true in 93 of 100 tries or nearly", (how) => {
  const tries = Array.from({ length: 400 }, (_, seed) => drift(seed, how));
  expect(tries.filter(({ low, high }) => low <= 0 && 0 <= high).length / 400).toBeGreaterThan(how.wanted);
});

test("a slope is found, and its interval does not include 0", () => {
  const { slope, low, high } = drift(1, { alike: 0.8, slope: 0.1 });
  expect([low > 0, high < 0.2]).toEqual([true, true]);
  expect(slope).toBeCloseTo(0.1, 1);
  const exact = slopeOf([0, 1, 2, 3, 4, 5, 6], [9, 1, 3, 5, 7, 9, 11]); // the first is left over
  for (const each of [exact.slope, exact.low, exact.high]) expect(each).toBeCloseTo(2, 9);
});
