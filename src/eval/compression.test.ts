import { expect, test } from "vitest";
import { compressionRatio } from "./compression.ts";

test("266 tokens of instruction and 51 of input are compressed 6.22 times, and 3.14 times where 50 stay", () => {
  expect(compressionRatio({ prompt: 266, input: 51 }).toFixed(2)).toBe("6.22");
  expect(compressionRatio({ prompt: 266, input: 51, residual: 50 }).toFixed(2)).toBe("3.14");
  expect(compressionRatio({ prompt: 0, input: 51 })).toBe(1);
});
