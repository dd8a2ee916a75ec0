/** @file AVE and HAR give the paper's summary columns from its own cells. */
import { describe, expect, test } from "vitest";
import { summaryOf } from "../../runs/reproduce/headlines.ts";
import { accuracyTables, table20 } from "../../runs/reproduce/paper.ts";
import { mean } from "../../src/eval/statistics.ts";

/** Cells are rounded to 0.1, and so is the printed summary. */
const tolerance = 0.1 + 1e-9;

describe.each(Object.entries(accuracyTables))("%s", (_, rows) => {
  test.each(rows.map((row) => [row.name, row] as const))("%s: AVE and HAR follow from the cells", (_name, row) => {
    const { average, harmonic } = summaryOf(row);
    expect(Math.abs(average - row.average)).toBeLessThanOrEqual(tolerance);
    expect(Math.abs(harmonic - row.harmonic)).toBeLessThanOrEqual(tolerance);
  });
});

test("the mean that Table 20 prints as 68.9 for AutoCompressors is 67.9", () => {
  expect(mean(table20["LLaMA2-7B, AutoCompressors"].cells)).toBeCloseTo(67.9, 1);
});
