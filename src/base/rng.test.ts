/** @file Random numbers: reproducible, independent when split, and distributed as promised. */
import { expect, test } from "vitest";
import { createRng, type Rng } from "./rng.ts";

const draw = (rng: Rng, count = 8) => Array.from({ length: count }, () => rng.next());

test("a seed always gives the same numbers", () => {
  expect(draw(createRng(7))).toEqual(draw(createRng("7")));
  expect(draw(createRng(7))).not.toEqual(draw(createRng(8)));
  // Recorded once: a change here changes every run that was ever seeded.
  const rng = createRng(1);
  expect(Array.from({ length: 4 }, () => rng.int(1000))).toEqual([501, 284, 51, 798]);
});

test("splitting neither advances the parent nor depends on what it has drawn", () => {
  const rng = createRng(3);
  const child = draw(rng.split("data"));
  expect(draw(rng)).toEqual(draw(createRng(3)));
  expect(draw(rng.split("data"))).toEqual(child);
  expect(draw(rng.split("init"))).not.toEqual(child);
  expect(draw(rng.split("data").split("data"))).not.toEqual(child);
});

test("split streams are uncorrelated with each other and with the parent", () => {
  const n = 20_000;
  const parent = createRng(11);
  const streams = [parent, parent.split("0"), parent.split("1")].map((rng) => draw(rng, n).map((x) => x - 0.5));
  for (const [i, j] of [
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const) {
    const covariance = streams[i]!.reduce((sum, x, k) => sum + x * streams[j]![k]!, 0) / n;
    expect(Math.abs(covariance * 12)).toBeLessThan(0.03); // correlation; its standard error is 1/√n = 0.007
  }
});

test("normals have mean 0 and variance 1, uniforms fill their interval", () => {
  const n = 100_001;
  const normals = createRng(5).fillNormal(new Float32Array(n), 2);
  const mean = normals.reduce((sum, x) => sum + x, 0) / n;
  const variance = normals.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n;
  expect(Math.abs(mean)).toBeLessThan(0.03);
  expect(Math.abs(variance - 4)).toBeLessThan(0.1);
  const uniforms = createRng(5).fillUniform(new Float32Array(n), 0.5);
  expect(Math.min(...uniforms.subarray(0, 50_000))).toBeLessThan(-0.499);
  expect(Math.max(...uniforms.subarray(0, 50_000))).toBeGreaterThan(0.499);
  expect(uniforms.every((x) => x >= -0.5 && x < 0.5)).toBe(true);
  expect(Math.abs(uniforms.reduce((sum, x) => sum + x, 0) / n)).toBeLessThan(0.005);
});

test("int is uniform, also where 2^32 is no multiple of the range", () => {
  const rng = createRng(9);
  const counts = [0, 0, 0];
  const third = 2 ** 30; // of 3·2^30: without rejection the first third would come up half of the time
  for (let i = 0; i < 30_000; i++) counts[Math.floor(rng.int(3 * third) / third)]!++;
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  expect(() => rng.int(0)).toThrow("internal");
});

test("shuffle permutes every element to every place", () => {
  const rng = createRng(2);
  const seen = new Set<string>();
  for (let i = 0; i < 500; i++) seen.add(rng.shuffle([1, 2, 3, 4]).join(""));
  expect(seen.size).toBe(24);
  expect(["x", "y"]).toContain(rng.pick(["x", "y"]));
});
