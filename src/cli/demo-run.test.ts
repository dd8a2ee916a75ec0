import { expect, test } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { quantizations } from "../models/quantized/layout.ts";
import { createAnswerer } from "../pair/answer.ts";
import { specialize } from "../pair/specialize.ts";
import { runDemo } from "./demo-run.ts";

const options = {
  threads: 1,
  device: "cpu",
  now: () => 0,
  signal: new AbortController().signal,
  constrain: true,
  onAnswer: () => undefined,
} as const;

test("over a quantised edge model the specialised answers are those of an answerer", async () => {
  const pair = await openTinyPair({}, { quantize: { edge: quantizations.int8 } });
  const scenario = {
    name: "one",
    title: "One scenario",
    prompt: "Answer in capital letters.",
    samples: [{ input: "the cat", expected: "THE CAT" }],
  };
  const [result] = await runDemo(pair, [scenario], options);
  const specialization = await specialize(pair, scenario.prompt, { threads: 1 });
  await using answerer = await createAnswerer(pair, { specialization, threads: 1 });
  const { text } = await answerer.answer("the cat", { maxTokens: 48 });
  expect(result!.rows[0]!.answers.specialized.text).toBe(text);
  expect(result!.rows[0]!.answers.base.text).not.toBe(text);
});

test("all three roles answer with one of the labels that the prompt names, and say how sure they are", async () => {
  const pair = await openTinyPair();
  const labels = ["billing", "delivery", "refund"];
  const scenario = {
    name: "one",
    title: "One scenario",
    prompt: `Choose one of these labels: ${labels.join(", ")}.`,
    samples: [{ input: "where is my parcel", expected: "delivery" }],
  };
  const [found] = await runDemo(pair, [scenario], options);
  expect(found!.constraint).toEqual({ kind: "labels", labels });
  for (const { text, confidence } of Object.values(found!.rows[0]!.answers)) {
    expect(labels).toContain(text);
    expect(confidence).toBeGreaterThan(0);
  }
  const [free] = await runDemo(pair, [scenario], { ...options, constrain: false });
  expect([free!.constraint, free!.rows[0]!.answers.base.confidence]).toEqual([undefined, undefined]);
  expect(free!.bytes).toBeLessThan(found!.bytes);
});

test("answers in JSON are right by their value, not by their spaces", async () => {
  const pair = await openTinyPair();
  const prompt = 'Classify the mail as "a" or "b". Return JSON {"kind": "a"}.';
  const scenario = { name: "one", title: "One", prompt, samples: [{ input: "x", expected: '{ "kind":"a" }' }] };
  const [result] = await runDemo(pair, [scenario], options);
  const { text, isRight } = result!.rows[0]!.answers.specialized;
  const { constraint } = result!;
  expect(constraint?.kind).toBe("schema");
  expect(isRight).toBe(JSON.parse(text).kind === "a");
});
