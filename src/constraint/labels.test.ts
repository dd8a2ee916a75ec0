/** @file Closed lists of labels: right or refused, on random logits too. */
import { beforeAll, describe, expect, test } from "vitest";
import { randomLogits } from "../../test/support/random-logits.ts";
import { testTokenizer } from "../../test/support/tiny-pair.ts";
import { createRng } from "../base/rng.ts";
import { generate } from "../decode/generate.ts";
import { PLAIN_LAYOUT, type PromptLayout, SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer-file.ts";
import { compileConstraint } from "./compile.ts";
import { constraintLimits, labelsSpec } from "./spec.ts";

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(testTokenizer);
});

const odd = [
  "a",
  "ab",
  "abc",
  "two words",
  "two",
  "</s>",
  "<|assistant|> ok",
  "back\\slash",
  '"quoted"',
  "{}",
  "\\n",
  "שלום עולם",
  "مرحبا",
  "👩‍👩‍👧 family",
  "é",
  "e\u0301",
  "日本",
];

const layouts: readonly [string, PromptLayout][] = [
  ["special tokens", SPECIAL_TOKEN_LAYOUT],
  ["plain", PLAIN_LAYOUT],
];

/** Answers on random logits. */
function randomAnswers(layout: PromptLayout, labels: readonly string[]) {
  const { next, stopIds, labelOf } = compileConstraint(tokenizer, layout, labelsSpec(labels));
  const defaults = { vocab: tokenizer.vocabSize, eosIds: [], reusePrefix: true, now: () => 0 };
  return async (seed: number) => {
    const sampling = seed % 2 === 0 ? {} : { temperature: 3, rng: createRng(seed) };
    const options = { constraint: next, stopIds, tokenizer, confidenceTemperature: 1, ...sampling };
    const generated = await generate(randomLogits(tokenizer.vocabSize, seed), [1], defaults, options);
    return { ...generated, label: labelOf!(generated.ids) };
  };
}

describe.each(layouts)("layout of %s", (_, layout) => {
  test("random logits give labels and nothing else, each at some time", async () => {
    const found = new Set<string>();
    const answer = randomAnswers(layout, odd);
    for (let seed = 0; seed < 300; seed++) {
      const { text, label, finish, confidence } = await answer(seed);
      expect(finish).toBe("stop");
      expect(odd).toContain(label);
      expect(text!.trim()).toBe(label);
      expect(confidence).toBeGreaterThan(0);
      expect(confidence).toBeLessThanOrEqual(1);
      found.add(label!);
    }
    expect(found.size).toBeGreaterThan(odd.length * 0.8);
  });

  test("no special token is among what a label or its text allows, but the one that ends an answer", () => {
    const { next, stopIds } = compileConstraint(tokenizer, layout, labelsSpec(odd));
    const special = new Set(tokenizer.specialTokens.values());
    const open: number[][] = [[]];
    for (let path = open.pop(); path !== undefined; path = open.pop())
      for (const id of Array.from(next(path))) {
        if (!stopIds.includes(id)) open.push([...path, id]);
        if (special.has(id)) expect(stopIds).toContain(id);
      }
  });

  test("the confidences of all labels add up to 1", async () => {
    const { next, stopIds } = compileConstraint(tokenizer, layout, labelsSpec(odd));
    // Every step's share is 1/n where all logits are equal.
    const total = (path: readonly number[]): number => {
      const allowed = Array.from(next(path));
      return allowed.reduce((sum, id) => sum + (stopIds.includes(id) ? 1 : total([...path, id])) / allowed.length, 0);
    };
    expect(total([])).toBeCloseTo(1, 9);
  });
});

test("10,000 labels compile, and answers on random logits are among them", async () => {
  const labels = Array.from({ length: 10_000 }, (_, i) => `label ${((i * 7919) % 100_003).toString(36)}`);
  const answer = randomAnswers(SPECIAL_TOKEN_LAYOUT, labels);
  for (let seed = 0; seed < 20; seed++) expect(labels).toContain((await answer(seed)).label);
});

test.each<[string, readonly string[], string]>([
  ["no labels", [], "E_USAGE"],
  ["an empty label", ["a", " "], "E_USAGE"],
  ["a label twice", ["a", "b", "a "], "E_USAGE"],
  ["a line end in a label", ["a\nb", "c"], "E_USAGE"],
  ["an escape sequence in a label", ["\u001b[31mred", "c"], "E_USAGE"],
  ["half a character", ["\ud83d", "c"], "E_USAGE"],
  ["10,001 labels", Array.from({ length: 10_001 }, (_, i) => `${i}`), "E_LIMIT"],
  ["a label as long as a page", ["x".repeat(constraintLimits.labelLength + 1)], "E_LIMIT"],
  ["a million bytes of labels", Array.from({ length: 2000 }, (_, i) => `${i}${"x".repeat(900)}`), "E_LIMIT"],
])("%s: refused", (_, labels, code) => {
  expect(() => labelsSpec(labels)).toThrow(expect.objectContaining({ code }));
});

test("labels that all begin alike are answered, and can be told from others", () => {
  const shared = ["get_weather", "get_time", "get_news"];
  const { next } = compileConstraint(tokenizer, SPECIAL_TOKEN_LAYOUT, labelsSpec(shared));
  expect(next([])).toHaveLength(1);
});
