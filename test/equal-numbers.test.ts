/** @file The shortcuts of `toEqual` take nothing for equal that it does not. */
import { expect, test } from "vitest";
import { sameBytes, samePlainValues } from "./support/equal-numbers.ts";

class List extends Array<number> {}
// biome-ignore lint/suspicious/noSparseArray: a hole is what is asked about
const hole = [, 2];

test.each([
  [[1, 2], [1, 2], true],
  [["a", Number.NaN], ["a", Number.NaN], true],
  [[0], [-0], undefined],
  [hole, [1, 2], undefined],
  [[1, 2], hole, undefined],
  [new Array(2), [1, 2], undefined],
  ["ab".match(/a/), ["a"], undefined],
  [List.of(1, 2), [1, 2], undefined],
  [[{}], [{}], undefined],
  [[1], [1, 2], undefined],
])("lists %j and %j", (a, b, equal) => expect(samePlainValues(a, b)).toBe(equal));

test.each([
  [Float32Array.of(1, 2), Float32Array.of(0, 1, 2).subarray(1), true],
  [Float32Array.of(Number.NaN), Float32Array.of(Number.NaN), true],
  [Float32Array.of(0), Float32Array.of(-0), undefined],
  [Buffer.of(1), Uint8Array.of(1), undefined],
  [Uint8Array.of(1), Uint8Array.of(1, 2), undefined],
])("typed arrays %o and %o", (a, b, equal) => expect(sameBytes(a, b)).toBe(equal));

test("what they leave is refused as ever", () => {
  expect(() => expect(new Array(2)).toEqual([1, 2])).toThrow();
  expect(() => expect([0]).toEqual([-0])).toThrow();
  expect(() => expect(Float32Array.of(1, 2)).toEqual(Float32Array.of(1, 3))).toThrow();
});
