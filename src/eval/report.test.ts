import { describe, expect, test } from "vitest";
import type { LogLine } from "./log.ts";
import { summarize } from "./report.ts";

type Changes = Partial<Omit<LogLine, "scores">>;

/** Lines of one method in one task, right or wrong as given. */
function lines(task: string, method: string, scores: readonly number[], changes: Changes = {}): LogLine[] {
  return scores.map((score, sample) => ({
    log: 1,
    stratum: "rules",
    kind: "rule",
    task,
    method,
    sample,
    subject: "pair",
    input: `input ${sample}`,
    target: "yes",
    inputTokens: 10,
    answer: "yes",
    finish: "stop",
    scorer: "exact",
    scores: { exact: { score, reason: "" } },
    ms: null,
    sha256: { model: "m", prompt: null, task: "t" },
    versions: {},
    ...changes,
  }));
}

const half = [1, 0, 1, 0];
const all = [1, 1, 1, 1];
const none = [0, 0, 0, 0];

describe("a report", () => {
  test("never averages strata, and counts tasks equally within one", () => {
    const { strata } = summarize([
      ...lines("a", "base", all),
      ...lines("b", "base", [0]),
      ...lines("c", "base", half, { stratum: "labels" }),
    ]);
    expect(Object.keys(strata)).toEqual(["rules", "labels"]);
    expect(strata["rules"]!.methods["base"]).toMatchObject({ tasks: 2, n: 5, score: 0.5, harmonic: 0 });
    expect(strata["labels"]!.methods["base"]).toMatchObject({ tasks: 1, n: 4, score: 0.5, harmonic: 0.5 });
  });

  test("has the prompt's effect against the better control over all tasks, not task by task", () => {
    const { promptEffect } = summarize([
      ...["a", "b"].flatMap((task) => lines(task, "specialized", all)),
      ...lines("a", "sibling-prompt", half),
      ...lines("b", "sibling-prompt", half),
      ...lines("a", "far-prompt", all),
      ...lines("b", "far-prompt", none),
    ]).strata["rules"]!;
    expect(promptEffect).toMatchObject({
      effect: 0.5,
      tasks: 2,
      controls: { "sibling-prompt": 0.5, "far-prompt": 0.5 },
    });
    expect(promptEffect!.byTask).toEqual({ a: 0, b: 0.5 });
    expect(promptEffect!.low).toBeLessThanOrEqual(0.25);
  });

  test("compares on the tasks that both methods have, and says how many", () => {
    const report = summarize([
      ...lines("a", "specialized", all),
      ...lines("b", "specialized", all),
      ...lines("a", "far-prompt", half),
      ...lines("b", "base", none),
    ]).strata["rules"]!;
    expect(report.promptEffect).toMatchObject({ tasks: 1, effect: 0.5 });
    expect(
      report.comparisons.map(({ method, against, tasks, difference }) => [method, against, tasks, difference]),
    ).toEqual([
      ["specialized", "far-prompt", 1, 0.5],
      ["specialized", "base", 1, 1],
    ]);
  });

  test("holds every method against one that is named, and corrects over all strata together", () => {
    const tasks = ["a", "b", "c", "d", "e", "f"];
    const of = (stratum: string, method: string, scores: number[]) =>
      tasks.flatMap((task) => lines(`${task} ${stratum}`, method, scores, { stratum }));
    const { strata } = summarize(
      [...of("x", "prompted", none), ...of("x", "base", all), ...of("y", "prompted", none), ...of("y", "base", none)],
      { against: "prompted" },
    );
    const [x] = strata["x"]!.comparisons;
    expect(x).toMatchObject({ method: "base", against: "prompted", difference: 1, p: 2 / 64, holm: 4 / 64 });
    expect(strata["y"]!.comparisons[0]).toMatchObject({ p: 1, holm: 1 });
    expect(summarize(of("x", "base", all), { against: "prompted" }).strata["x"]!.comparisons).toEqual([]);
  });

  test("pairs answers by question, so that a question one method lacks counts for neither", () => {
    const { comparisons, methods } = summarize([
      ...lines("a", "specialized", [1, 1, 0, 0]),
      ...lines("a", "base", [0, 1]),
    ]).strata["rules"]!;
    expect(comparisons[0]).toMatchObject({ difference: 0.5 });
    expect(methods["specialized"]).toMatchObject({ n: 4, score: 0.5 });
  });

  test("counts a question once that stands in several logs, as it was answered last", () => {
    const { methods } = summarize([...lines("a", "base", none), ...lines("a", "base", [1, 1])]).strata["rules"]!;
    expect(methods["base"]).toMatchObject({ n: 4, score: 0.5 });
  });

  test("tells a method of several models apart by what was adapted", () => {
    const other = { subject: "encoder", sha256: { model: "n", prompt: null, task: "t" } };
    const { methods } = summarize([...lines("a", "base", all), ...lines("a", "base", none, other)]).strata["rules"]!;
    expect(Object.keys(methods)).toEqual(["base (pair)", "base (encoder)"]);
  });

  test("clusters by task, seeds within: three seeds of one task are one task", () => {
    const seeds = [1, 2, 3].flatMap((seed) => lines("a", "base", half, { seed }));
    expect(summarize(seeds).strata["rules"]!.methods["base"]).toMatchObject({ tasks: 1, n: 12, score: 0.5 });
  });

  test("draws items, each with all its seeds: the same answers under four seeds tell no more than under one", () => {
    const right = Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? 1 : 0));
    const other = right.map((score, i) => (i % 4 === 0 ? 1 - score : score));
    const of = (seeds: readonly number[]) =>
      summarize(
        seeds.flatMap((seed) => [
          ...lines("a", "specialized", right, { seed }),
          ...lines("a", "base", other, { seed }),
        ]),
      ).strata["rules"]!;
    const width = ({ low, high }: { low: number; high: number }) => high - low;
    const [one, four] = [of([1]), of([1, 2, 3, 4])];
    const widths = ({ methods, comparisons }: typeof one) => [width(methods["base"]!.interval), width(comparisons[0]!)];
    expect(widths(four)[0]).toBeCloseTo(widths(one)[0]!, 1);
    expect(widths(four)[1]).toBeCloseTo(widths(one)[1]!, 1);
    expect(four.methods["base"]!.n).toBe(96);
  });

  test("is determined by its lines and its seed, and of no lines it is empty", () => {
    const shares = Array.from({ length: 30 }, (_, i) => ((i * 7919) % 31) / 31);
    const some = ["a", "b", "c"].flatMap((task, i) => lines(task, "specialized", shares.slice(10 * i, 10 * i + 10)));
    expect(summarize(some)).toEqual(summarize(some));
    expect(summarize(some, { seed: 2 })).not.toEqual(summarize(some));
    expect(summarize([])).toEqual({ strata: {} });
  });
});
