import { expect, test } from "vitest";
import type { DemoAnswer, DemoResult } from "./demo-run.ts";
import { breakEven, summarizeDemo } from "./demo-summary.ts";

const answer = (isRight: boolean, inputTokens: number, ms: number): DemoAnswer => ({
  text: "",
  isRight,
  inputTokens,
  outputTokens: 1,
  ms,
});

const result: DemoResult = {
  name: "x",
  title: "x",
  prompt: "äb",
  promptTokens: 90,
  bytes: 300,
  gates: [[1]],
  ms: { cloud: 10, merge: 20, compile: 30 },
  rows: [1, 2].map((i) => ({
    input: "i",
    expected: "e",
    answers: { base: answer(false, 10, 4), prompted: answer(i === 1, 100, 16), specialized: answer(true, 10, 4 + i) },
    cachedPromptMs: 5,
  })),
};

test("the summary counts right answers, averages costs and says when specialising has paid back", () => {
  expect(summarizeDemo([result])).toEqual({
    n: 2,
    right: { base: 0, prompted: 1, specialized: 2 },
    inputTokens: { base: 10, prompted: 100, specialized: 10 },
    ms: { base: 4, prompted: 16, specialized: 5.5 },
    cachedPromptMs: 5,
    savedTokens: 90,
    savedMs: 10.5,
    savedMsCachedPrompt: -0.5,
    specializeMs: { cloud: 10, merge: 20, compile: 30, total: 60 },
    breakEvenQueries: 6,
    breakEvenQueriesCachedPrompt: null,
    bytes: 300,
    promptBytes: 3,
  });
});

test("what saves nothing never pays back", () => {
  expect([breakEven(100, 0), breakEven(100, -1), breakEven(100, 30), breakEven(90, 30)]).toEqual([null, null, 4, 3]);
});
