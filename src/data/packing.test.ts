import { expect, test } from "vitest";
import { padBatch, toInt64 } from "./packing.ts";

const sequences = [
  { ids: [1, 10, 11, 12, 2], lossFrom: 3 },
  { ids: [1, 20, 2], lossFrom: 1 },
];

test("each position predicts the next token, and the loss counts from the answer on", () => {
  const batch = padBatch(sequences, { padId: 0 });
  expect(batch).toEqual({
    rows: 2,
    length: 4,
    tokens: Int32Array.of(1, 10, 11, 12, 1, 20, 0, 0),
    targets: Int32Array.of(10, 11, 12, 2, 20, 2, 0, 0),
    mask: Float32Array.of(0, 0, 1, 1, 1, 1, 0, 0),
  });
});

test("a fixed length pads further, and refuses what is longer", () => {
  expect(padBatch(sequences, { padId: 9, length: 6 }).tokens.slice(4, 6)).toEqual(Int32Array.of(9, 9));
  expect(() => padBatch(sequences, { padId: 0, length: 3 })).toThrow(/row 0: expected at most 4 tokens, found 5/);
});

test("ids become int64", () => {
  expect(toInt64(Int32Array.of(0, 7, 4095))).toEqual(BigInt64Array.of(0n, 7n, 4095n));
});
