/**
 * @file Long lists of the same plain values, and typed arrays of the same bytes, are equal at once: `toEqual` goes through each value in a
 * much slower way otherwise, a second for 300,000 of them. What differs is left to it, which says where.
 */
import { expect } from "vitest";

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => Buffer.from(buffer, byteOffset, byteLength);

const isSamePlain = (a: unknown, b: unknown): boolean =>
  (typeof a === "number" || typeof a === "string" || typeof a === "bigint") && Object.is(a, b);

expect.addEqualityTesters([
  function sameBytes(a: unknown, b: unknown): true | undefined {
    if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b) || a.constructor !== b.constructor) return undefined;
    return bytesOf(a).equals(bytesOf(b)) ? true : undefined;
  },
  function samePlainValues(a: unknown, b: unknown): true | undefined {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return undefined;
    return a.every((value, i) => isSamePlain(value, b[i])) && Object.keys(b).length === b.length ? true : undefined;
  },
]);
