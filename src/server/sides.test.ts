/** @file The cloud model where it is to answer: opened when it is first asked, and ended. */
import { beforeAll, expect, test } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import type { Pair } from "../pair/pair-file.ts";
import { type CloudQuestion, cloudSide } from "./sides.ts";

let pair: Pair;
beforeAll(async () => {
  pair = await openTinyPair();
});
const question: CloudQuestion = {
  conversation: { prompt: undefined, history: [], input: "hello" },
  constraint: undefined,
  ...{ sampled: {}, maxTokens: 1, logprobs: undefined, tenant: "main", deadline: undefined, signal: undefined },
};

test("one that cannot be opened is told to who asks, and is no failure of the end", async () => {
  const { answer, close } = cloudSide(pair, { threads: 1, capacity: 1 });
  const asked = answer(question);
  const closed = close();
  await expect(asked).rejects.toMatchObject({ code: "E_LIMIT" });
  await closed;
});

test("at the end none is opened any more", async () => {
  const { answer, close } = cloudSide(pair, { threads: 1 });
  await close();
  await expect(answer(question)).rejects.toMatchObject({ code: "E_BUSY" });
});
