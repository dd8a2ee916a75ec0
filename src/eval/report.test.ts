import { expect, test } from "vitest";
import { markdownTable, percent, points } from "./report.ts";

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
