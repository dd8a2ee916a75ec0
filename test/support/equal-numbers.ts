/**
 * @file Long lists of the same plain values, and typed arrays of the same bytes, are equal at once: `toEqual` goes through each value in a
 * much slower way otherwise, a second for 300,000 of them. What is not that plain, or differs, is left to it; it says where.
 */
import { expect } from "vitest";

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => Buffer.from(buffer, byteOffset, byteLength);

export function sameBytes(a: unknown, b: unknown): true | undefined {
  if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b) || a.constructor !== b.constructor) return undefined;
  return bytesOf(a).equals(bytesOf(b)) ? true : undefined;
}

const isPlain = (value: unknown): boolean => typeof value === "number" || typeof value === "string";

/** Arrays themselves, without holes and without anything beside their values. */
const isPlainList = (value: unknown): value is unknown[] =>
  Array.isArray(value) && value.constructor === Array && Object.keys(value).length === value.length;

export function samePlainValues(a: unknown, b: unknown): true | undefined {
  if (!isPlainList(a) || !isPlainList(b) || a.length !== b.length) return undefined;
  for (let i = 0; i < a.length; i++) if (!isPlain(a[i]) || !Object.is(a[i], b[i])) return undefined;
  return true;
}

/** Once in a process: this file is read for every file of tests, and testers stay. */
const done = Symbol.for("lora-gen equality testers");
const known = globalThis as { [done]?: true };
if (known[done] === undefined) expect.addEqualityTesters([sameBytes, samePlainValues]);
known[done] = true;
