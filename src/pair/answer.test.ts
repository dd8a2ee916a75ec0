import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { createRng } from "../base/rng.ts";
import { schemaSpec } from "../constraint/spec.ts";
import { scaleConfidence } from "../decode/confidence.ts";
import { createDecoder } from "../decode/decoder.ts";
import { encodeInput } from "../text/prompt.ts";
import { answer, createAnswerer } from "./answer.ts";
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
  const base = await answer(pair, "is it open", options);
  const prompted = await answer(pair, "is it open", { ...options, prompt });
  const specialized = await answer(pair, "is it open", { ...options, specialization });
  expect(new Set([base.text, prompted.text, specialized.text]).size).toBe(3);
  expect(base.inputTokens).toBe(encodeInput(pair.tokenizer, pair.layout, "is it open").length);
  expect(specialized.inputTokens).toBe(base.inputTokens);
  expect(prompted.inputTokens).toBeGreaterThan(base.inputTokens);
});

test("a specialisation and the weights merged from it give the same answer", async () => {
  const { weights } = await merge(pair, specialization);
  const merged = await answer(pair, "is it open", { ...options, weights });
  const direct = await answer(pair, "is it open", { ...options, specialization });
  expect(merged.ids).toEqual(direct.ids);
});

test("over an open decoder the base model answers, prompted or not, as over one of its own; it stays open", async () => {
  await using decoder = await createDecoder(pair.edge, { threads: 1 });
  for (const role of [{}, { prompt }, {}]) {
    await using answerer = await createAnswerer(pair, { ...role, decoder });
    const { text } = await answerer.answer("is it open", { maxTokens: 12 });
    expect(text).toBe((await answer(pair, "is it open", { ...options, ...role })).text);
  }
  await expect(createAnswerer(pair, { specialization, decoder })).rejects.toMatchObject({ code: "E_USAGE" });
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

describe("answers that must be one of a list of labels", () => {
  const labels = ["billing", "bill", "delivery <|user|>", "none of these"];
  const constraint = { kind: "labels", labels } as const;

  test("base, prompted and specialised answer with a label and its probability, streamed or not", async () => {
    for (const role of [{}, { prompt: "Name the topic." }, { specialization }]) {
      await using answerer = await createAnswerer(pair, { ...role, constraint, threads: 1 });
      let streamed = "";
      const onText = (text: string) => {
        streamed += text;
      };
      const { text, label, confidence, finish } = await answerer.answer("where is my parcel", { onText });
      expect(finish).toBe("stop");
      expect(labels).toContain(text);
      expect({ label, streamed }).toEqual({ label: text, streamed: text });
      expect(confidence).toBeGreaterThan(1 / 1000);
      expect(confidence).toBeLessThanOrEqual(1);
      const later = await answerer.answer("and now?", {
        history: [{ input: "hello", output: text }],
        temperature: 2,
        rng: createRng(1),
      });
      expect(labels).toContain(later.label);
    }
  });

  test("below the wanted confidence the answer is none", async () => {
    await using answerer = await createAnswerer(pair, { constraint, threads: 1 });
    const sure = await answerer.answer("where is my parcel", { abstain: 0 });
    const streamed: string[] = [];
    const onText = (text: string) => void streamed.push(text);
    const unsure = await answerer.answer("where is my parcel", { abstain: 1, onText });
    expect(sure).toMatchObject({ label: sure.text, abstained: false });
    expect(unsure).toMatchObject({ text: "none", abstained: true });
    expect(unsure.confidence).toBeCloseTo(sure.confidence!, 5);
    expect(unsure.label).toBeUndefined();
    expect(streamed).toEqual(["none"]);
  });

  test("the confidence has the temperature that was fitted for the pair, unless told otherwise", async () => {
    const confidenceOf = async (
      confidenceTemperature: number | undefined,
      options = {},
      role: object = { specialization },
    ) => {
      await using answerer = await createAnswerer(
        { ...pair, confidenceTemperature },
        { ...role, constraint, threads: 1 },
      );
      return (await answerer.answer("where is my parcel", options)).confidence!;
    };
    const plain = await confidenceOf(undefined);
    expect(await confidenceOf(2)).toBeCloseTo(scaleConfidence(plain, 2), 5);
    expect(await confidenceOf(2, { confidenceTemperature: undefined })).toBeCloseTo(scaleConfidence(plain, 2), 5);
    expect(await confidenceOf(2, { confidenceTemperature: 1 })).toBeCloseTo(plain, 5);
    expect(await confidenceOf(2, {}, {})).toBeCloseTo(await confidenceOf(undefined, {}, {}), 5); // the base model
  });

  test("an answer cut off is no label, and abstaining needs labels", async () => {
    await using answerer = await createAnswerer(pair, { constraint, threads: 1 });
    const cut = await answerer.answer("hello", { maxTokens: 1, temperature: 1, rng: createRng(1) });
    expect(cut).toMatchObject({ finish: "length" });
    expect(cut.label).toBeUndefined();
    await expect(answerer.answer("hello", { abstain: 2 })).rejects.toMatchObject({ code: "E_USAGE" });
    await using free = await createAnswerer(pair, { threads: 1 });
    await expect(free.answer("hello", { abstain: 0.5 })).rejects.toMatchObject({ code: "E_USAGE" });
  });
});

test("answers of a JSON schema are JSON of it, in every role", async () => {
  const constraint = schemaSpec({
    type: "object",
    properties: { intent: { enum: ["pay", "ask"] }, amount: { type: "integer", minimum: 1, maximum: 500 } },
    required: ["intent", "amount"],
  });
  for (const role of [{}, { prompt }, { specialization }]) {
    await using answerer = await createAnswerer(pair, { ...role, constraint, threads: 1 });
    const { text, finish, confidence } = await answerer.answer("pay 20", { maxTokens: 60 });
    const { intent, amount } = JSON.parse(text) as { intent: string; amount: number };
    expect({ finish, confidence }).toEqual({ finish: "stop", confidence: undefined });
    expect(["pay", "ask"]).toContain(intent);
    expect(amount).toBeGreaterThan(0);
    expect(amount).toBeLessThan(501);
  }
});
