import { expect, test } from "vitest";
import { markdownReport, markdownTable, percent, points } from "./report.ts";
import type { EvalCell, EvalReport } from "./summarize.ts";

test("shares become percent with one digit, differences points with a sign", () => {
  expect(percent(0.8125)).toBe("81.3");
  expect(percent(0.5, 0.0123)).toBe("50.0 ± 1.2");
  expect(percent(1, Number.NaN)).toBe("100.0");
  expect([points(0.031), points(-0.2)]).toEqual(["+3.1", "−20.0"]);
});

test("a table's columns are as wide as their widest cell, and a bar in a cell ends no column", () => {
  expect(
    markdownTable(
      ["a", "length"],
      [
        ["x|y", "1"],
        ["naïve", "12345678"],
      ],
    ),
  ).toBe(["| a     |   length |", "|-------|---------:|", "| x\\|y  |        1 |", "| naïve | 12345678 |"].join("\n"));
});

test("a report shows accuracies, costs and differences", () => {
  const cell = (accuracy: number, msPerQuery: number | null): EvalCell => ({
    n: 50,
    accuracy,
    stderr: 0.05,
    inputTokens: 31.25,
    msPerQuery,
  });
  const mean = (accuracy: number, msPerQuery: number | null) => ({
    ...cell(accuracy, msPerQuery),
    tasks: 1,
    harmonic: accuracy,
  });
  const difference = { difference: 0.25, low: 0.125, high: 0.375 };
  const report: EvalReport = {
    tasks: { router: { base: cell(0.5, null), specialized: cell(0.75, 4.567) } },
    mean: { base: mean(0.5, null), specialized: mean(0.75, 4.567) },
    comparisons: { "specialized-vs-base": { ...difference, tasks: { router: difference } } },
  };
  expect(markdownReport(report)).toMatchInlineSnapshot(`
    "| accuracy, %       |   n |       base | specialized |
    |-------------------|----:|-----------:|------------:|
    | router            |  50 | 50.0 ± 5.0 |  75.0 ± 5.0 |
    | **mean of tasks** |  50 | 50.0 ± 5.0 |  75.0 ± 5.0 |
    | **harmonic mean** |  50 |       50.0 |        75.0 |

    | per query   | tokens read |   ms |
    |-------------|------------:|-----:|
    | base        |        31.3 |    – |
    | specialized |        31.3 | 4.57 |

    | difference, points |  mean | 95 % interval |
    |--------------------|------:|--------------:|
    | specialized − base | +25.0 | +12.5 … +37.5 |
    "
  `);
});
