/** @file What stands below a table of skills: differences, their intervals, and what is said of them. */
import { expect, test } from "vitest";
import type { LogLine } from "../../../src/eval/log.ts";
import { constantRow } from "./ask.ts";
import { againstArm, againstBase, differences, differenceTable } from "./compare.ts";

/** Answers to questions that come in pairs: two of each message, passage or two numbers. */
const asking = {
  intents: (i: number) => `Message: text ${i >> 1}\nIs it about ${i % 2 === 0 ? "one" : "another"}?\nAnswer yes or no.`,
  reading: (i: number) => `A long\npassage ${i >> 1}.\nQuestion: is it ${i}?\nAnswer yes or no.`,
  numbers: (i: number) =>
    i % 2 === 0
      ? `Is 1${i >> 1} larger than 90?\nAnswer yes or no.`
      : `Is 90 larger than 1${i >> 1}?\nAnswer yes or no.`,
  science: (i: number) => `question ${i}`,
} as const;

const answers = (method: string, task: keyof typeof asking, scores: readonly number[]): LogLine[] =>
  scores.map((score, sample) => ({
    log: 1,
    task,
    stratum: "skills",
    kind: "yes-no",
    sample,
    method,
    subject: "s",
    input: asking[task](sample),
    target: sample % 2 === 0 ? "yes" : "no",
    inputTokens: 1,
    answer: "yes",
    finish: "stop",
    scorer: "first-word",
    scores: { "first-word": { score, reason: "" } },
    ms: null,
    sha256: { model: "m", prompt: null, task: "t" },
    versions: {},
  }));

const each = [1, 0, 1, 1];
const twice = each.flatMap((score) => [score, score]);
const width = (task: keyof typeof asking, scores: readonly number[]) => {
  const lines = [
    ...answers("skill", task, scores),
    ...answers(
      "base model",
      task,
      scores.map(() => 0),
    ),
  ];
  const [one] = differences(lines, "skill", { arm: "base model" });
  return one!.high - one!.low;
};

test.each(["intents", "reading", "numbers"] as const)("of %s two questions about the same are no two draws", (task) => {
  expect(width(task, twice)).toBeCloseTo(width("science", each), 10);
  expect(width("science", twice)).toBeLessThan(0.8 * width("science", each));
});

test("where nothing was asked there is no row of a constant answer", () => {
  expect(constantRow([])).toEqual([]);
});

test("below differences stands how many intervals there are and that none is corrected; an arm is not compared with itself", () => {
  const lines = ["base model", "a", "b"].flatMap((method) => answers(method, "science", each));
  const [note, rows] = differenceTable(lines, ["a", "b"], [againstBase, againstArm("a")]);
  expect(note).toMatch(/none of the 3 is corrected/);
  expect(rows).toMatch(/\| a +\| science \| [^|]*\] \| +– \|/);
  expect(differenceTable([], ["a"], [againstBase])).toEqual([]);
});
