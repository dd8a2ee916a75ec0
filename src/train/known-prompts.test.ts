import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { encodeKnownPrompts, isUnlike, parseKnownPrompts, stateDistance } from "../pair/known-prompts.ts";
import { drawPrompts, fitKnownPrompts } from "./known-prompts.ts";

const width = 40;
const rng = createRng("states");
/** Around 100: widely along two axes, narrowly along the others. */
const drawn = (count: number, label: string): Float32Array[] =>
  Array.from({ length: count }, (_, i) => {
    const normals = rng.split(`${label} ${i}`).fillNormal(new Float32Array(width), 1);
    return normals.map((value, axis) => 100 + value * (axis < 2 ? 10 : 0.5));
  });
const options = { layer: 3, generatorSha256: "a".repeat(64), cloudSha256: "c".repeat(64), components: 2 };

test("of prompts like those of the training the share that was asked for is flagged", () => {
  const validation = drawn(200, "validation");
  const known = fitKnownPrompts(drawn(300, "train"), validation, options);
  expect(known).toMatchObject({ layer: 3, prompts: 300, validationPrompts: 200, beyond: 0.02 });
  expect(validation.filter((state) => isUnlike(known, state))).toHaveLength(4);
  const fresh = drawn(400, "fresh");
  expect(fresh.filter((state) => isUnlike(known, state)).length).toBeLessThan(30);
  const mean = fresh.reduce((sum, state) => sum + stateDistance(known, state), 0) / fresh.length;
  expect(mean).toBeGreaterThan(0.9);
  expect(mean).toBeLessThan(1.1);
});

test("a state that is far for its direction is flagged, as far in another it is not, also once it was written", () => {
  const known = fitKnownPrompts(drawn(300, "train"), drawn(200, "validation"), options);
  const moved = (axis: number) => new Float32Array(width).fill(100).map((value, i) => value + (i === axis ? 8 : 0));
  for (const spread of [known, parseKnownPrompts(encodeKnownPrompts(known), "file")]) {
    expect(isUnlike(spread, moved(0))).toBe(false);
    expect(isUnlike(spread, moved(7))).toBe(true);
  }
});

test("components are at most half of what there is, so that other directions keep a variance", () => {
  const { components, variances, otherVariance } = fitKnownPrompts(drawn(10, "few"), drawn(60, "validation"), {
    ...options,
    components: 16,
  });
  expect([components.length, variances.length]).toEqual([5, 5]);
  expect(otherVariance).toBeGreaterThan(0);
});

test("states that are all the same are refused, and so are numbers that are none", () => {
  const same = Array.from({ length: 60 }, () => new Float32Array(width).fill(1));
  expect(() => fitKnownPrompts(same, same, options)).toThrow(expect.objectContaining({ code: "E_DATA" }));
  const broken = [...drawn(59, "train"), new Float32Array(width).fill(Number.NaN)];
  expect(() => fitKnownPrompts(broken, same, options)).toThrow(expect.objectContaining({ code: "E_NAN" }));
});

test("the share that is told is counted: of 60 one is farther away, not 2 % of them", () => {
  expect(fitKnownPrompts(drawn(300, "train"), drawn(60, "validation"), options).beyond).toBe(1 / 60);
});

test("validation states that are no numbers, or all at the mean, leave no threshold and are refused", () => {
  const train = drawn(300, "train");
  const validation = drawn(60, "validation");
  const { mean } = fitKnownPrompts(train, validation, options);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => fitKnownPrompts(train, [...validation, new Float32Array(width).fill(value)], options)).toThrow(
      expect.objectContaining({ code: "E_NAN" }),
    );
  for (const useless of [validation.map(() => mean), []])
    expect(() => fitKnownPrompts(train, useless, options)).toThrow(expect.objectContaining({ code: "E_DATA" }));
});

test("prompts are drawn once each, the same with the same seed, and too few are refused", () => {
  const prompts = Array.from({ length: 120 }, (_, i) => `prompt ${i % 60}`);
  const first = drawPrompts("file", prompts, 55, createRng(1));
  expect([first.length, new Set(first).size]).toEqual([55, 55]);
  expect(drawPrompts("file", prompts, 55, createRng(1))).toEqual(first);
  expect(drawPrompts("file", prompts, 400, createRng(1))).toHaveLength(60);
  expect(() => drawPrompts("file", prompts.slice(0, 49), 55, createRng(1))).toThrow(
    expect.objectContaining({ code: "E_DATA" }),
  );
});
