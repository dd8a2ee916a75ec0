/** @file Hostile values, and ideas of what may be wrong with a file. */
import type { Rng } from "../../src/base/rng.ts";

export type Json = Record<string, unknown>;
/** What is wrong, and how it is written into a value or a folder. */
export type Idea<T> = readonly [name: string, make: (rng: Rng) => T];

export const many = <T>(count: number, value: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => value(i));

/** Values of the wrong kind, for any key. */
const wrongValues: readonly unknown[] = [
  null,
  true,
  -1,
  1e-9,
  1e308,
  2 ** 53,
  "",
  "\u001b]0;x\u0007\u202e",
  [],
  [null],
  {},
  { type: null },
  { __proto__: null },
  "a".repeat(100_000),
  many(100_000, () => 0),
  many(30, () => 0).reduce<unknown>((inner) => [inner], []),
];
export const wrongValue = (rng: Rng): unknown => rng.pick(wrongValues);
