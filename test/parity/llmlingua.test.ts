/** @file How surprising each token of a prompt is, beside LLMLingua's public code (test/fixtures/make/llmlingua_tokens.py), and what either keeps. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createCachedModel } from "../../src/decode/cached-model.ts";
import { mostSurprising, surprisals } from "../../src/methods/shortened.ts";
import { openModel } from "../../src/models/model-file.ts";

const fixtures = join(import.meta.dirname, "../fixtures");
const published = JSON.parse(readFileSync(join(fixtures, "llmlingua/reference.json"), "utf8")) as {
  ids: number[];
  surprisal: number[];
  /** Places in the prompt. */
  kept: number[];
};
const { ids } = published;

test("a token is as surprising as the public code finds it", async () => {
  await using cached = await createCachedModel(await openModel(join(fixtures, "peft/base")), { threads: 1 });
  const [first, ...others] = await surprisals(cached, [], ids);
  expect(first).toBe(Number.POSITIVE_INFINITY); // the public code has none for it
  expect(others).toHaveLength(published.surprisal.length);
  others.forEach((value, i) => void expect(Math.abs(value - published.surprisal[i]!)).toBeLessThan(1e-4));
});

test("the surprising tokens stay; the public code keeps the token before each of them, and the last", async () => {
  const kept = await mostSurprising({ model: await openModel(join(fixtures, "peft/base")) }, { before: [], ids }, 3);
  const before = published.kept.slice(0, -1);
  expect(published.kept.at(-1)).toBe(ids.length - 1);
  expect(kept).toEqual([0, ...before.map((place) => place + 1)].map((place) => ids[place]));
});
