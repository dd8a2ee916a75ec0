/** @file Seeded damage to files, for tests that nothing a file contains can crash, hang or blow up its reader. */
import type { Rng } from "../../src/base/rng.ts";

/** A damaged copy: one to four random changes to the bytes. */
export function mutate(bytes: Uint8Array, rng: Rng): Uint8Array {
  return times(1 + rng.int(4), bytes, (current) => rng.pick(byteMutators)(current, rng));
}

/** A damaged copy of JSON: one to three changes, most of which leave it well-formed enough to be looked at closely. */
export function mutateJson(text: string, rng: Rng): string {
  return times(1 + rng.int(3), text, (current) => rng.pick(jsonMutators)(current, rng));
}

/** A damaged copy of a UTF-8 JSON file: as text, sometimes as raw bytes. */
export function mutateJsonBytes(bytes: Uint8Array, rng: Rng): Uint8Array {
  if (rng.int(4) === 0) return mutate(bytes, rng);
  return new TextEncoder().encode(mutateJson(new TextDecoder().decode(bytes), rng));
}

/** A damaged safetensors file: raw bytes, its length field, or its header as JSON with the length made right again. */
export function mutateSafetensors(bytes: Uint8Array, rng: Rng): Uint8Array {
  const kind = rng.int(6);
  if (kind === 0) return mutate(bytes, rng);
  const headerBytes = Number(Buffer.from(bytes).readBigUInt64LE());
  if (kind === 1) {
    const out = Buffer.from(bytes);
    const near = BigInt(Math.max(0, headerBytes + rng.int(33) - 16));
    out.writeBigUInt64LE(rng.pick([near, BigInt(bytes.length - 8), BigInt(bytes.length), ...hugeLengths]));
    return out;
  }
  const header = new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes));
  const damaged = new TextEncoder().encode(mutateJson(header, rng));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(damaged.length));
  return Buffer.concat([length, damaged, bytes.subarray(8 + headerBytes)]);
}

const hugeLengths = [0n, 1n, 99_999_999n, 10n ** 10n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

type Mutator<T> = (value: T, rng: Rng) => T;

const byteMutators: readonly Mutator<Uint8Array>[] = [
  function flipBit(bytes, rng) {
    const out = bytes.slice();
    if (out.length > 0) out[rng.int(out.length)]! ^= 1 << rng.int(8);
    return out;
  },
  function setByte(bytes, rng) {
    const out = bytes.slice();
    if (out.length > 0) out[rng.int(out.length)] = rng.pick([0, 1, 0x7f, 0x80, 0xff, rng.int(256)]);
    return out;
  },
  function truncate(bytes, rng) {
    return bytes.slice(0, rng.int(bytes.length + 1));
  },
  function insertNoise(bytes, rng) {
    const at = rng.int(bytes.length + 1);
    const noise = Uint8Array.from({ length: 1 + rng.int(64) }, () => rng.int(256));
    return join(bytes.subarray(0, at), noise, bytes.subarray(at));
  },
  function duplicateSpan(bytes, rng) {
    const [start, end] = span(bytes.length, rng);
    return join(bytes.subarray(0, end), bytes.subarray(start, end), bytes.subarray(end));
  },
  function removeSpan(bytes, rng) {
    const [start, end] = span(bytes.length, rng);
    return join(bytes.subarray(0, start), bytes.subarray(end));
  },
  function hugeNumber(bytes, rng) {
    const out = Buffer.from(bytes);
    if (out.length >= 8) out.writeBigUInt64LE(rng.pick(hugeLengths), rng.int(2) === 0 ? 0 : rng.int(out.length - 7));
    return out;
  },
];

const numbers = [
  "-1",
  "-0",
  "0",
  "1",
  "0.5",
  "1e3",
  "1e400",
  "2147483648",
  "4294967296",
  "10000000000",
  "9007199254740991",
  "9007199254740993",
  "18446744073709551615",
  "null",
  '"7"',
  "[]",
  "NaN",
  "007",
];
const values = ["null", "true", "[]", "{}", '""', "-1", '"\\ud800"', '"\\u0000"', "[[[[[[[[]]]]]]]]"];

const jsonMutators: readonly Mutator<string>[] = [
  (text, rng) => replaceToken(text, /-?\d+(?:\.\d+)?/g, () => rng.pick(numbers), rng),
  (text, rng) => replaceToken(text, /-?\d+(?:\.\d+)?/g, (token) => String(Number(token) + rng.int(9) - 4), rng),
  (text, rng) => replaceToken(text, /"(?:[^"\\]|\\.)*"/g, () => rng.pick(text.match(/"(?:[^"\\]|\\.)*"/g)!), rng),
  (text, rng) =>
    replaceToken(text, /"(?:[^"\\]|\\.)*"(?!\s*:)|-?\d+|\[[^[\]]*\]|\{[^{}]*\}/g, () => rng.pick(values), rng),
  (text, rng) => replaceToken(text, /"(?:[^"\\]|\\.)*"\s*:/g, () => rng.pick(['"__proto__":', '"":', '"x":']), rng),
  (text, rng) => replaceToken(text, /\[[^[\]]*\]|\{[^{}]*\}/g, (token) => `${token},${token}`, rng),
  (text, rng) => replaceToken(text, /"(?:[^"\\]|\\.)*"\s*:\s*(?:\{[^{}]*\}|\[[^[\]]*\]|[^,{}[\]]+)/g, twice, rng),
  (text, rng) => replaceToken(text, /[[\]{}:,"]/g, () => rng.pick(["", "[", "]", "{", "}", ",", ":", '"', "\\"]), rng),
  (text, rng) => splice(text, rng.pick(["[", '{"a":', "[{", '"']).repeat(1 + rng.int(20_000)), rng),
  (text, rng) => splice(text, rng.pick([" ", "\0", "\u2028", "\ufeff", "e", "-", "\n"]), rng),
  (text, rng) => text.slice(0, rng.int(text.length + 1)),
  (text, rng) => {
    const [start, end] = span(text.length, rng);
    return text.slice(0, start) + text.slice(end);
  },
];

const twice = (token: string) => `${token},${token}`;

/** Replaces one random match; a text without matches comes back as it is. */
function replaceToken(text: string, pattern: RegExp, replace: (token: string) => string, rng: Rng): string {
  const matches = [...text.matchAll(pattern)];
  if (matches.length === 0) return text;
  const { 0: token, index } = rng.pick(matches);
  return text.slice(0, index) + replace(token) + text.slice(index + token.length);
}

function splice(text: string, inserted: string, rng: Rng): string {
  const at = rng.int(text.length + 1);
  return text.slice(0, at) + inserted + text.slice(at);
}

function span(length: number, rng: Rng): [start: number, end: number] {
  const start = rng.int(length + 1);
  return [start, start + rng.int(length - start + 1)];
}

function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function times<T>(count: number, value: T, change: (value: T) => T): T {
  for (let i = 0; i < count; i++) value = change(value);
  return value;
}
