/** @file Comparing logits: what is no number is never within a tolerance. */
import { expect, test } from "vitest";
import { compareLogits } from "../decode/compare-logits.ts";
import { requireClose } from "./require-close.ts";

const rows = (...all: number[][]) => all.map((row) => Float32Array.from(row));
const refuses = (wanted: Float32Array[], found: Float32Array[]) =>
  expect(() => requireClose(compareLogits(wanted, found), 1, "the model")).toThrow(
    expect.objectContaining({ code: "E_MISMATCH" }),
  );

test("the largest difference and the largest logit are found, wherever they lie", () => {
  const gap = compareLogits(rows([1, -8], [2, 3]), rows([1, -7.5], [2, 2.75]));
  expect(gap).toEqual({ largestDifference: 0.5, meanDifference: 0.1875, largestLogit: 8 });
  requireClose(gap, 0.0625, "the model");
  expect(() => requireClose(gap, 0.06, "the model")).toThrow(
    "gives other logits than the model: they differ by up to 0.5, expected at most 0.48",
  );
});

test("NaN is beyond every tolerance: alone, first, in the middle and last, in either model", () => {
  for (const odd of [0, 1, 2]) {
    const found = rows([1, 2], [3, 4, 5]);
    found[1]![odd] = Number.NaN;
    refuses(rows([1, 2], [3, 4, 5]), found);
    refuses(found, rows([1, 2], [3, 4, 5]));
  }
  refuses(rows([1, 2]), rows([Number.NaN, Number.NaN]));
});

test("infinities are beyond every tolerance, also in both", () => {
  refuses(rows([1, 2]), rows([Number.POSITIVE_INFINITY, 2]));
  refuses(rows([Number.NEGATIVE_INFINITY, 2]), rows([1, 2]));
  refuses(rows([Number.POSITIVE_INFINITY, 2]), rows([Number.POSITIVE_INFINITY, 2]));
});

test("a row of another length is refused", () => {
  expect(() => compareLogits(rows([1, 2]), rows([1]))).toThrow("gives 1 logits, expected 2");
});
