import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { LogLine } from "../../src/eval/log.ts";
import { benchmarkTasks, suites } from "../../src/eval/tasks/suites.ts";
import { writeBenchmarkData } from "../../test/support/benchmark-data.ts";
import { HARNESS_TASKS, type HarnessTask, writeHarnessRows } from "./lm-eval.ts";
import { compare } from "./pages/parity-lm-eval.ts";

const folder = mkdtempSync(join(tmpdir(), "lm-eval-"));
afterAll(() => rmSync(folder, { recursive: true }));

type Row = Readonly<Record<string, string>> & { readonly choices: { readonly text: readonly string[] } };

/** Python's `str.capitalize`. */
const capitalize = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase();

/** The prompt texts of the harness's own task files. */
const inputs: { readonly [T in HarnessTask]: (row: Row) => string } = {
  "arc-e": ({ question }) => `Question: ${question}\nAnswer:`,
  piqa: ({ goal }) => `Question: ${goal}\nAnswer:`,
  winogrande: ({ sentence }) => sentence!,
  boolq: ({ passage, question }) => `${passage}\nQuestion: ${question}?\nAnswer:`,
  hellaswag: ({ activity_label, ctx_a, ctx_b }) => `${activity_label}: ${ctx_a} ${capitalize(ctx_b!)}`,
};

test.each(HARNESS_TASKS)("%s: the harness is given our items and our examples, in their order", async (name) => {
  const [data, rows] = [join(folder, `data-${name}`), join(folder, `rows-${name}`)];
  writeBenchmarkData(data);
  mkdirSync(rows);
  await writeHarnessRows(rows, { data, items: 12 });
  const [task] = await benchmarkTasks(suites.get(name)!, { data, items: 12 });
  const read = (split: string) =>
    readFileSync(join(rows, `${name}-${split}.jsonl`), "utf8")
      .trim()
      .split("\n")
      .map((line) => inputs[name](JSON.parse(line) as Row));
  expect(read("test")).toEqual(task!.samples.map(({ input }) => input));
  expect(read("shots")).toEqual(task!.examples.slice(0, 5).map(({ input }) => input));
});

const line = (sample: number, logLikelihoods: number[], target: string): LogLine =>
  ({ sample, logLikelihoods, target, choices: ["a", "bbbb"] }) as unknown as LogLine;

test("a comparison counts choices, by likelihood and by length, accuracies, and the largest difference", () => {
  const ours = [line(0, [-1, -2], "a"), line(1, [-3, -2], "a")];
  const theirs = [
    [-1.25, -2],
    [-3, -3.5],
  ];
  expect(compare(ours, theirs)).toEqual({ n: 2, same: 0.5, sameNormed: 1, ours: 50, theirs: 100, distance: 1.5 });
  expect(() => compare(ours, [[-1, -2]])).toThrow("item 1: expected 2 choices of the harness, found none");
});
