import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { encodeInput } from "../text/prompt.ts";
import { createAnswerer, generate } from "./answer.ts";
import { merge } from "./merge.ts";
import { loadPair, type Pair } from "./pair-file.ts";
import type { Specialization } from "./specialization-file.ts";
import { specialize } from "./specialize.ts";

let folder: string;
let pair: Pair;
let specialization: Specialization;
const prompt = "Find the intent of the message.";
const options = { maxTokens: 12, threads: 1 };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "answer-"));
  await writeTinyPair(folder, { context: 64 });
  pair = await loadPair(folder);
  specialization = await specialize(pair, prompt, { threads: 1 });
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

test("base, prompted and specialised models answer differently; only the prompted one reads the prompt", async () => {
  const base = await generate(pair, "is it open", options);
  const prompted = await generate(pair, "is it open", { ...options, prompt });
  const specialized = await generate(pair, "is it open", { ...options, specialization });
  expect(new Set([base.text, prompted.text, specialized.text]).size).toBe(3);
  expect(base.inputTokens).toBe(encodeInput(pair.tokenizer, pair.layout, "is it open").length);
  expect(specialized.inputTokens).toBe(base.inputTokens);
  expect(prompted.inputTokens).toBeGreaterThan(base.inputTokens);
});

test("a specialisation and the weights merged from it give the same answer", async () => {
  const { weights } = await merge(pair, specialization);
  const merged = await generate(pair, "is it open", { ...options, weights });
  const direct = await generate(pair, "is it open", { ...options, specialization });
  expect(merged.ids).toEqual(direct.ids);
});

test("streamed pieces together are the text", async () => {
  await using answerer = await createAnswerer(pair, { specialization, threads: 1 });
  let streamed = "";
  const show = (piece: string) => {
    streamed += piece;
  };
  const { text } = await answerer.answer("hello", { maxTokens: 8, onText: show });
  expect(streamed).toBe(text);
});

test("earlier turns are read before the input, the oldest dropped where the context is full", async () => {
  await using answerer = await createAnswerer(pair, { threads: 1 });
  const turn = { input: "is it open", output: "yes, until eight" };
  const tokens = async (turns: number) =>
    (await answerer.answer("hello", { maxTokens: 8, history: new Array(turns).fill(turn) })).inputTokens;
  const [none, one, two] = [await tokens(0), await tokens(1), await tokens(2)];
  expect(two - one).toBe(one - none);
  const fitting = await tokens(50);
  expect(fitting).toBeGreaterThan(two);
  expect(fitting).toBeLessThanOrEqual(64 - 8);
});

test("a prompt beside a specialisation is refused", async () => {
  await expect(createAnswerer(pair, { specialization, prompt })).rejects.toMatchObject({ code: "E_USAGE" });
});
