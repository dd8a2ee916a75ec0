import { expect, test } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { quantizations } from "../models/quantized/layout.ts";
import { createAnswerer } from "../pair/answer.ts";
import { specialize } from "../pair/specialize.ts";
import { runDemo } from "./demo-run.ts";

test("over a quantised edge model the specialised answers are those of an answerer", async () => {
  const pair = await openTinyPair({}, { quantize: { edge: quantizations.int8 } });
  const scenario = {
    name: "one",
    title: "One scenario",
    prompt: "Answer in capital letters.",
    samples: [{ input: "the cat", expected: "THE CAT" }],
  };
  const options = { threads: 1, device: "cpu", now: () => 0, signal: new AbortController().signal } as const;
  const [result] = await runDemo(pair, [scenario], { ...options, onAnswer: () => undefined });
  const specialization = await specialize(pair, scenario.prompt, { threads: 1 });
  await using answerer = await createAnswerer(pair, { specialization, threads: 1 });
  const { text } = await answerer.answer("the cat", { maxTokens: 48 });
  expect(result!.rows[0]!.answers.specialized.text).toBe(text);
  expect(result!.rows[0]!.answers.base.text).not.toBe(text);
});
