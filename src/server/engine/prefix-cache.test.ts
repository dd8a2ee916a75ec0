/** @file Kept beginnings. */
import { expect, test } from "vitest";
import { createPrefixCache } from "./prefix-cache.ts";

const saved = (numbers: number) => ({ positions: numbers, values: [new Float32Array(numbers)] });

test("the beginning that was used longest ago goes first", () => {
  const cache = createPrefixCache(4 * 20);
  cache.put("a", saved(8));
  cache.put("b", saved(8));
  cache.get("a");
  cache.put("c", saved(8));
  expect(["a", "b", "c"].map((key) => cache.get(key) !== undefined)).toEqual([true, false, true]);
  expect(cache.bytes).toBe(64);
});

test("one that is larger than the whole cache drops nothing", () => {
  const cache = createPrefixCache(4 * 20);
  cache.put("a", saved(8));
  cache.put("huge", saved(21));
  expect([cache.get("huge"), cache.get("a")?.positions]).toEqual([undefined, 8]);
});

test("the same beginning again takes its room once", () => {
  const cache = createPrefixCache(4 * 20);
  cache.put("a", saved(8));
  cache.put("a", saved(8));
  expect(cache.bytes).toBe(32);
});
