import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testTokenizer } from "../../test/support/tiny-pair.ts";
import { createRng } from "../base/rng.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer-file.ts";
import { readTokenCache, sampleWindow, writeTokenCache } from "./token-cache.ts";

let folder: string;
let tokenizer: Tokenizer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "token-cache-"));
  tokenizer = await loadTokenizer(testTokenizer);
});
afterAll(() => rm(folder, { recursive: true }));

test("a cache holds the documents between begin and end tokens", async () => {
  const path = join(folder, "a.tokens");
  const report = await writeTokenCache(path, tokenizer, ["One day.", "The end."], { maxTokens: 100 });
  const tokens = await readTokenCache(path);
  expect(tokenizer.decode([...tokens])).toBe("<s>One day.</s><s>The end.</s>");
  expect(report).toEqual({ tokens: tokens.length, documents: 2, characters: 16 });
});

test("a cache stops at the number of tokens asked for", async () => {
  const path = join(folder, "b.tokens");
  await writeTokenCache(path, tokenizer, new Array(50).fill("Once upon a time."), { maxTokens: 33 });
  expect((await readTokenCache(path)).length).toBe(33);
});

test("windows are consecutive tokens and the same for the same seed", () => {
  const cache = Uint16Array.from({ length: 50 }, (_, i) => i);
  const draw = (seed: number) =>
    Array.from({ length: 20 }, (_, i) => sampleWindow(cache, 8, createRng(seed).split(`${i}`))[0]);
  expect(draw(1)).toEqual(draw(1));
  expect(new Set(draw(1)).size).toBeGreaterThan(5);
  const window = sampleWindow(cache, 8, createRng(2));
  expect([...window]).toEqual(Array.from({ length: 8 }, (_, i) => window[0]! + i));
  expect(sampleWindow(cache, 50, createRng(3))).toEqual(cache);
  expect(() => sampleWindow(cache, 51, createRng(3))).toThrow(/at least 51 tokens, found 50/);
});

test("a file of half a token is refused", async () => {
  const path = join(folder, "odd.tokens");
  await writeFile(path, Uint8Array.of(1, 2, 3));
  await expect(readTokenCache(path)).rejects.toMatchObject({ code: "E_FORMAT" });
});
