import { expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { testTokenizer } from "../../test/support/tiny-pair.ts";
import { parameterShapes } from "../models/parameters.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { loadTokenizer } from "../text/tokenizer-file.ts";
import { type Row, rowFeeds } from "./batch.ts";
import { languageModelPrefix, languageModelSpec } from "./language-model-step.ts";
import { stepNames } from "./step.ts";
import { conversationRow, joinRows, separateQueriesRow, type TaskSource } from "./task-batches.ts";
import { createTrainer } from "./trainer.ts";

const tokenizer = await loadTokenizer(testTokenizer);
const source: TaskSource = {
  draw: () => [],
  tokenizer,
  layout: SPECIAL_TOKEN_LAYOUT,
  cloud: { tokenizer, layout: SPECIAL_TOKEN_LAYOUT },
};
const group = {
  prompt: "Repeat the word.",
  queries: ["apple", "pear", "plum"].map((word) => ({ input: word, target: word })),
};
const row = (maxTokens: number) => conversationRow(source, group, "answers", maxTokens);
const text = (maxTokens: number) => tokenizer.decode(row(maxTokens).ids.slice(0));

test("a conversation keeps the queries that fit its row, whole, and supervises their answers", () => {
  const all = row(1000);
  expect(all.answers).toHaveLength(3);
  const two = row(all.ids.length - 1);
  expect(two.answers).toEqual(all.answers.slice(0, 2));
  expect(two.ids).toEqual(all.ids.slice(0, two.ids.length));
  expect(two.ids.at(-1)).toBe(tokenizer.tokenId("</s>"));
  expect(row(all.ids.length)).toEqual(all);
});

test("the first query stays, however long", () => {
  expect(row(1).answers).toHaveLength(1);
  expect(text(1)).toContain("apple");
});

test("queries apart cost what each costs behind the prompt alone, also where several prompts share a row", async () => {
  const { config, weights } = randomLlama({ vocab: tokenizer.vocabSize, context: 128 });
  const state = Object.fromEntries(
    [...parameterShapes(config)].map(([name, shape]) => [
      stepNames.parameter(name),
      floatTensor(shape, (weights[name] as { data: Float32Array }).data),
    ]),
  );
  const adamw = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 };
  await using trainer = await createTrainer(languageModelSpec(config, adamw, 1), { weights, state, threads: 1 });
  const cost = async (rows: readonly Row[]) => {
    const count = rows.reduce((sum, { answers }) => sum + answers.reduce((n, [from, to]) => n + to - from, 0), 0);
    const { loss } = await trainer.evaluate(rowFeeds(languageModelPrefix, rows, tokenizer.padId));
    return { count, total: loss![0]! * count };
  };
  const groups = [group, { ...group, prompt: "Say it again, please." }] as const;
  const apart = joinRows(
    groups.map((one) => separateQueriesRow(source, one, "answers", 100)),
    1000,
  );
  expect(apart).toHaveLength(1);
  const alone = groups.flatMap((one) =>
    one.queries.map((query) => conversationRow(source, { ...one, queries: [query] }, "answers", 1000)),
  );
  const [joined, single] = [await cost(apart), await cost(alone)];
  expect(joined.count).toBe(single.count);
  expect(joined.total).toBeCloseTo(single.total, 3);
  const together = await cost(groups.map((one) => conversationRow(source, one, "answers", 1000)));
  expect(Math.abs(together.total - single.total)).toBeGreaterThan(0.01);
});

test("queries apart keep to the row's tokens, and predict no token from another query", () => {
  const all = separateQueriesRow(source, group, "all", 1000);
  expect(all.starts).toHaveLength(4);
  for (const start of all.starts!.slice(1)) {
    expect(all.ids[start]).toBe(tokenizer.tokenId("<|user|>"));
    expect(all.answers.some(([from, to]) => from <= start && start < to)).toBe(false);
  }
  expect(separateQueriesRow(source, group, "all", all.ids.length - 1).starts).toHaveLength(3);
  expect(separateQueriesRow(source, group, "answers", 1).starts).toHaveLength(2);
});
