import { expect, test } from "vitest";
import { type Candidate, selectBest } from "./select.ts";

const candidate = (name: string, score: number, split: Candidate["split"] = "validation"): Candidate => ({
  name,
  split,
  score,
});

test("the highest score wins, the first among equals", () => {
  expect(selectBest([candidate("a", 0.2), candidate("b", 0.7), candidate("c", 0.7)]).name).toBe("b");
});

test("one score of a test split is enough to refuse", () => {
  expect(() => selectBest([candidate("a", 0.2), candidate("b", 0.7, "test")])).toThrow(
    expect.objectContaining({ code: "E_DATA", message: expect.stringContaining('"b" was scored on the test split') }),
  );
});

test("scores that are not numbers never win, and no scores at all are an error", () => {
  expect(selectBest([candidate("a", Number.NaN), candidate("b", 0.1)]).name).toBe("b");
  expect(() => selectBest([candidate("a", Number.NaN)])).toThrow(expect.objectContaining({ code: "E_DATA" }));
  expect(() => selectBest([])).toThrow(expect.objectContaining({ code: "E_DATA" }));
});
