/** @file Why: what gates say, whom they are like, and which sentences moved them. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTinyPair, specializationOf } from "../../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService } from "../../../test/support/tiny-service.ts";
import type { Pair } from "../../pair/pair-file.ts";
import { gatesByLayer, promptParts, type SentenceEffect, sentenceEffects, whyLimits } from "./why.ts";

/** Gates of one layer: how often each of three words is in a prompt. */
const counting = async (prompt: string) => ({
  gates: [["red", "green", "blue"].map((word) => prompt.split(word).length - 1)],
});

test("each sentence is left out in turn; the one that moves the gates furthest comes first", async () => {
  const effects = await sentenceEffects("Say red. Say nothing! Be green, green, green.", counting);
  expect(effects.map(({ text }) => text)).toEqual(["Be green, green, green.", "Say red.", "Say nothing!"]);
  expect(effects[0]).toMatchObject({ moved: [{ layer: 0, expert: 1, from: 0, to: 3 }] });
  expect(effects[0]!.distance).toBeCloseTo(3 / Math.sqrt(10), 12);
  expect(effects[2]).toMatchObject({ distance: 0, moved: [] });
});

test("of one sentence nothing can be left out; an interruption ends the work", async () => {
  await expect(sentenceEffects("Say red.", counting)).rejects.toMatchObject({ code: "E_USAGE" });
  const stop = AbortSignal.abort();
  await expect(sentenceEffects("Say red. Say green.", counting, stop)).rejects.toMatchObject({ code: "E_INTERRUPTED" });
});

test("many sentences are put together, none is lost", () => {
  const prompt = Array.from({ length: 101 }, (_, i) => `Sentence ${i}. `).join("");
  const parts = promptParts(prompt);
  expect([parts.length, parts.join(""), parts.includes("")]).toEqual([whyLimits.sentences, prompt, false]);
});

test("gates are told by layer, the strongest first", () => {
  expect(gatesByLayer({ gates: [[0, 0.25, -0.75, 0]] })).toEqual([
    {
      layer: 0,
      experts: [
        { expert: 2, gate: -0.75 },
        { expert: 1, gate: 0.25 },
      ],
    },
  ]);
});

const prompt = "Say what the customer wants. Answer in one word. Never shout.";
let pair: Pair;
let service: TinyService;
beforeAll(async () => {
  pair = await openTinyPair();
  service = await openTinyService(pair);
  await service.ask("/v1/specializations", { name: "triage", prompt });
});
afterAll(() => service.close());
const path = "/v1/specializations/triage/why";

test("over HTTP: the gates of a name, those of the tenant's own that are likest, and with the prompt its sentences", async () => {
  const { object } = await service.store.resolve("main", "triage");
  const { gates } = await service.store.read(object);
  const turned = gates.map((row) => [...row].reverse());
  await service.store.put("main", "far", specializationOf(pair, turned));
  const nearly = gates.map((row) => row.map((gate) => gate * 0.5));
  await service.store.put("main", "near", specializationOf(pair, nearly));
  await service.store.put("other", "hidden", specializationOf(pair, nearly));
  const shown = (await (await service.ask(path)).json()) as {
    layers: object[];
    nearest: { name: string; similarity: number }[];
  };
  expect(shown.layers).toHaveLength(gates.length);
  expect(shown.nearest.map(({ name }) => name)).toEqual(["near", "far"]);
  expect(shown.nearest[0]!.similarity).toBeCloseTo(1, 6);
  const response = await service.ask(path, { prompt });
  const { sentences } = (await response.json()) as { sentences: SentenceEffect[] };
  expect(sentences.map(({ text }) => text).sort()).toEqual([
    "Answer in one word.",
    "Never shout.",
    "Say what the customer wants.",
  ]);
  expect(sentences[0]!.distance).toBeGreaterThan(0);
});

test("what is not read in time is told", async () => {
  await using hurried = await openTinyService(pair, { requestMs: 0 });
  await hurried.store.put(
    "main",
    "triage",
    await service.store.read((await service.store.resolve("main", "triage")).object),
  );
  const response = await hurried.ask(path, { prompt });
  expect([response.status, await response.text()]).toEqual([504, expect.stringContaining("not all sentences")]);
});

test.each([
  ["another prompt", { prompt: "Something else. And more." }, 400, "not the one"],
  ["no prompt", {}, 400, "prompt"],
])("%s: refused with the reason", async (_, body, status, why) => {
  const response = await service.ask(path, body);
  expect([response.status, await response.text()]).toEqual([status, expect.stringContaining(why)]);
});
