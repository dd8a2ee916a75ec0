import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import type { Group } from "../data/mixture.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { loadTokenizer } from "../text/tokenizer.ts";
import { conversationRow, type TaskSource } from "./task-batches.ts";

const tokenizer = await loadTokenizer(join(resolve(import.meta.dirname, "../.."), "pairs/assistant/tokenizer"));
const source: TaskSource = {
  families: [],
  layout: SPECIAL_TOKEN_LAYOUT,
  options: { tokenizer, limits: { prompt: 100, input: 100, target: 100 } },
};
const group = {
  prompt: "Repeat the word.",
  queries: ["apple", "pear", "plum"].map((word) => ({ input: word, target: word })),
} as unknown as Group;
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
