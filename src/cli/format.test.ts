import { expect, test } from "vitest";
import { formatBytes, formatCount, formatLogitChange, formatMs, formatShare, plural } from "./format.ts";

test.each([
  [formatBytes(0), "0 bytes"],
  [formatBytes(312), "312 bytes"],
  [formatBytes(999), "999 bytes"],
  [formatBytes(48_000_000), "48 MB"],
  [formatBytes(999_999), "1 MB"],
  [formatCount(4_356_096), "4.36 M"],
  [formatMs(0.4219), "0.42 ms"],
  [formatMs(83.61), "83.6 ms"],
  [formatMs(999.9), "1 s"],
  [formatMs(12_345), "12.3 s"],
  [formatShare(0.8542), "85.4 %"],
  [
    formatLogitChange({ largest: 0.5, mean: 0.0123, agreement: 0.75, tokens: 20 }),
    "logits move by 0.500 at most, 0.0123 on average; the likeliest token stays at 15 of 20 positions",
  ],
  [plural(1, "token"), "1 token"],
  [plural(2, "query", "queries"), "2 queries"],
])("%s is written as %s", (found, expected) => {
  expect(found).toBe(expected);
});
