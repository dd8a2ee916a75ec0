import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type LogLine, taskHash } from "../../src/eval/log.ts";
import { writeBenchmarkData } from "../../test/support/benchmark-data.ts";
import { accuracies, accuracyTable, drawsTable, sharedWith, toldByExamples } from "./ask.ts";

const answers = (method: string, task: string, scores: readonly number[], seed = 1): LogLine[] =>
  scores.map((score, sample) => ({
    log: 1,
    task,
    seed,
    stratum: "tasks",
    kind: "task",
    sample,
    method,
    subject: "s",
    input: `input ${sample}`,
    target: "yes",
    inputTokens: 1,
    answer: "yes",
    finish: "choice",
    scorer: "exact",
    scores: { exact: { score, reason: "" } },
    ms: null,
    sha256: { model: "m", prompt: null, task: "t" },
    versions: {},
  }));
const half = [1, 0, 1, 0];

test("a table has the tasks of all methods, and a task that a method was not asked leaves its cell empty", () => {
  const rows = accuracyTable(
    accuracies([...answers("base", "b", half), ...answers("other", "a", [1, 1, 1, 0]), ...answers("other", "b", half)]),
  )
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const cellsOf = (name: string) => rows.find((cells) => cells[1] === name)!.slice(2, -1);
  expect(cellsOf("method")).toEqual(["b (n 4)", "a (n 4)", "AVE", "HAR"]);
  expect(cellsOf("base")).toEqual(["50.0 ± 28.9", "–", "–", "–"]);
  expect(cellsOf("other")).toEqual(["50.0 ± 28.9", "75.0 ± 25.0", "62.5", "60.0"]);
});

test("the same items under more seeds are no more items, and their standard error is no smaller", () => {
  const [once] = accuracies(answers("base", "a", half));
  const [thrice] = accuracies([1, 2, 3].flatMap((seed) => answers("base", "a", half, seed)));
  expect(thrice!.tasks[0]!.error).toBeCloseTo(once!.tasks[0]!.error, 12);
  expect(thrice!.tasks[0]!.n).toBe(4);
});

test("spread over draws is that of each method by its name, in whatever order a draw asked them; a draw that lacks leaves cells empty", () => {
  const text = drawsTable(
    [
      ...answers("base", "t", [1, 1, 1, 1], 1),
      ...answers("other", "t", half, 1),
      ...answers("late", "t", half, 2),
      ...answers("other", "t", [0, 0, 0, 0], 2),
      ...answers("base", "t", [1, 1, 1, 0], 2),
    ],
    [1, 2],
  );
  const cells = text.split("\n").map((line) =>
    line
      .split("|")
      .map((cell) => cell.trim())
      .slice(1, -1),
  );
  expect(cells.filter((row) => /base|other|late/.test(row[0]!))).toEqual([
    ["base", "100.0", "75.0", "87.5", "0.1768"],
    ["other", "50.0", "0.0", "25.0", "0.3536"],
    ["late", "–", "50.0", "–", "–"],
  ]);
});

test("pages over five compressed examples share their answers, for their tasks are the same ones; a generator's logs share by its name", async () => {
  const compressed = ["table2-compressed", "s0-table20", "fig1-compressed-5"];
  for (const id of compressed)
    expect(sharedWith(id)).toEqual(expect.arrayContaining(compressed.filter((other) => other !== id)));
  expect(sharedWith("s0-table20")).not.toContain("fig1-compressed-3");
  expect(sharedWith("table2-as-configured-400-1")).toContain("baselines-as-configured-400-1");
  expect(sharedWith("table3")).toEqual([]);
  const data = mkdtempSync(join(tmpdir(), "sharing-"));
  onTestFinished(() => rmSync(data, { recursive: true }));
  writeBenchmarkData(data);
  const [all, some] = [
    await toldByExamples(["reasoning"], 5, 4, { data }),
    await toldByExamples(["arc-c", "piqa"], 5, 2, { data }),
  ];
  for (const task of some) {
    const same = all.find(({ name }) => name === task.name)!;
    expect([taskHash(same), same.samples.slice(0, 2)]).toEqual([taskHash(task), task.samples]);
  }
});
