/** @file Every step of a tokenizer, on strings that implementations differ in, gives what Hugging Face's tokenizers gives. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createBudget } from "../../src/text/search-budget.ts";
import { createDecoder } from "../../src/text/tokenizer-decode.ts";
import { createTokenizer } from "../../src/text/tokenizer-file.ts";
import { createNormalizer } from "../../src/text/tokenizer-normalize.ts";
import { createPatterns } from "../../src/text/tokenizer-patterns.ts";
import { createSplitter } from "../../src/text/tokenizer-split.ts";
import { parseChains } from "../../src/text/tokenizer-steps.ts";

type Fixture = {
  readonly texts: readonly string[];
  readonly more: readonly string[];
  readonly pre_tokenizers: readonly { step: object; pieces: string[][] }[];
  readonly normalizers: readonly { step: object; texts: string[] }[];
  readonly decoders: readonly { step: object; tokens: string[]; text: string }[];
  readonly tokenizers: readonly { file: { model: { type: string } }; ids: number[][] }[];
};
const fixture = JSON.parse(
  readFileSync(join(import.meta.dirname, "../fixtures/tokenizer-steps.json"), "utf8"),
) as Fixture;
const { compile } = createPatterns("test");
const budget = createBudget("", "test");

test.each(fixture.pre_tokenizers)("splitting by $step", ({ step, pieces }) => {
  const split = createSplitter(parseChains({ pre_tokenizer: step }, "test").pre_tokenizer, compile);
  expect(fixture.texts.map((text) => split(text, { isFirst: true, budget }))).toEqual(pieces);
});

test.each(fixture.normalizers)("normalising by $step", ({ step, texts }) => {
  const normalize = createNormalizer(parseChains({ normalizer: step }, "test").normalizer, { compile, what: "test" });
  expect(fixture.texts.map((text) => normalize(text, budget))).toEqual(texts);
});

test.each(fixture.decoders)("decoding by $step", ({ step, tokens, text }) => {
  const decode = createDecoder(parseChains({ decoder: step }, "test").decoder, { compile, added: new Set() });
  expect(decode(tokens, budget)).toBe(text);
});

test.each(fixture.tokenizers)("a whole tokenizer over $file.model.type", ({ file, ids }) => {
  const tokenizer = createTokenizer(file);
  const texts = [...fixture.texts, ...fixture.more];
  expect(texts.map((text) => tokenizer.encode(text, { parseSpecial: true }))).toEqual(ids);
});
