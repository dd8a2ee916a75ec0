/** @file What is said of arms with several training seeds beside arms with one. */
import { expect, test } from "vitest";
import type { LogLine } from "../../src/eval/log.ts";
import { armDifferences, armTables } from "./arm-tables.ts";
import type { Arm, ArmRun } from "./arms.ts";

/** Lines as an evaluation writes them: of two tasks, one item for each score. Every seed's generator is a model of its own. */
function run(seed: number | undefined, scores: { readonly [task: string]: readonly number[] }): ArmRun {
  const lines = Object.entries(scores).flatMap(([task, all]) =>
    all.map(
      (score, sample) =>
        ({
          task,
          seed: 1,
          sample,
          stratum: task,
          method: "specialized-1shot",
          subject: "ablation",
          input: `${task} ${sample}`,
          scorer: "choice",
          scores: { choice: { score, reason: "" } },
          ms: null,
          inputTokens: null,
          finish: "choice",
          sha256: { model: `generator of seed ${seed}`, prompt: null, task },
        }) as unknown as LogLine,
    ),
  );
  return { test: lines, validation: lines, ...(seed === undefined ? {} : { seed }) };
}

const arms: Arm[] = [
  { name: "base", runs: [run(undefined, { one: [0, 0, 0, 0], two: [0, 0, 0, 0] })] },
  {
    name: "usual",
    runs: [run(1, { one: [1, 0, 0, 0], two: [1, 1, 0, 0] }), run(2, { one: [1, 1, 0, 0], two: [1, 1, 1, 0] })],
  },
  {
    name: "other",
    runs: [run(1, { one: [1, 1, 0, 0], two: [1, 1, 0, 0] }), run(2, { one: [1, 1, 1, 0], two: [1, 1, 1, 1] })],
  },
  { name: "short", runs: [run(1, { one: [0, 0, 0, 0], two: [1, 1, 0, 0] })] },
];

/** "usual": its cells. */
const rowsOf = (markdown: string): Readonly<Record<string, string[]>> =>
  Object.fromEntries(
    markdown
      .split("\n")
      .filter((line) => line.startsWith("|"))
      .map((line) =>
        line
          .slice(1, -1)
          .split("|")
          .map((cell) => cell.trim()),
      )
      .map(([name, ...cells]) => [name!, cells]),
  );

test("each seed has a row, arms of several a mean with their deviation, and an arm of one is marked", () => {
  const [runs, , spread] = armTables(arms);
  const names = ["base", "usual (seed 1)", "usual (seed 2)", "other (seed 1)", "other (seed 2)", "short (one seed)"];
  expect(Object.keys(rowsOf(runs!)).slice(2)).toEqual(names);
  // AVE of "usual": 37.5 and 62.5; the mean is 50, the deviation 25 ÷ √2.
  expect(rowsOf(spread!)["usual"]).toEqual(["2", "37.5 ± 17.68", "62.5 ± 17.68", "50.0 ± 17.68"]);
  expect(Object.keys(rowsOf(spread!)).slice(2)).toEqual(["usual", "other"]);
});

test("differences are paired by item and by seed: one of one seed is held against the same seed, the base model against all", () => {
  const [note, differences] = armDifferences(arms, "usual");
  expect(note).toContain("paired by question");
  const points = (name: string) => rowsOf(differences!)[`${name} − usual`]![0];
  expect(points("other")).toBe("+18.8"); // (25 + 0 + 25 + 25) ÷ 4
  expect(points("short")).toBe("−12.5"); // of seed 1 alone
  expect(points("base")).toBe("−50.0");
});

test("an item asked of two seeds is one draw: repeating a seed makes no interval narrower", () => {
  const width = (twice: boolean): number => {
    const seeds = twice ? [1, 2] : [1];
    const same = (name: string, one: number[]): Arm => ({ name, runs: seeds.map((seed) => run(seed, { one })) });
    const both = [same("usual", [1, 0, 0, 1, 0, 1, 0, 0]), same("other", [1, 1, 0, 0, 0, 1, 1, 1])];
    const [, interval] = rowsOf(armDifferences(both, "usual")[1]!)["other − usual"]!;
    const [low, high] = interval!.slice(1, -1).replaceAll("−", "-").split(", ").map(Number);
    return high! - low!;
  };
  expect(width(true)).toBe(width(false));
});

test("tasks may be taken apart, and nothing is held against an arm that is not there", () => {
  const only = armDifferences(arms, "usual", { isOf: (task) => task === "two" });
  expect(rowsOf(only[1]!)["short − usual"]![0]).toBe("+0.0");
  expect(armDifferences(arms, "untrained")).toEqual([
    'Differences are to the row "untrained", which is not there yet.',
  ]);
  expect(armDifferences([], "untrained")).toEqual([]);
});
