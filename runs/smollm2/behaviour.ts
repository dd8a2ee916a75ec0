/** @file A behaviour: what a system prompt can ask for, its parameters drawn, over inputs whose right answer a program knows. */
import type { Rng } from "../../src/base/rng.ts";

/** Wordings and inputs of one split are never used in another. */
export const splits = ["train", "validation", "test"] as const;
export type Split = (typeof splits)[number];

/** A short text that a user could send, and what its data set says about it. */
export type Text = {
  readonly text: string;
  /** Its data set: `clinc`, `banking`, `snips`. */
  readonly source: string;
  /** Its area in words: "banking", "home". */
  readonly domain: string;
  readonly intent: string;
};

export type Behaviour = {
  /** `word-count`; wordings and siblings are chosen by it. */
  readonly kind: string;
  /** Kinds whose answers look alike: siblings of each other. */
  readonly group: string;
  /** The kind with its parameters: two behaviours of one key answer alike. */
  readonly key: string;
  /** Descriptions of it, its parameters filled in. */
  readonly wordings: { readonly [S in Split]: readonly string[] };
  /** The right answer; undefined where the behaviour has none for this text. */
  readonly answer: (text: Text) => string | undefined;
  /** All possible answers where they are few and named in every wording. */
  readonly labels?: readonly string[];
};

/** Fills `{name}` in a sentence. */
export const fill = (sentence: string, values: Readonly<Record<string, string>>): string =>
  sentence.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);

/** Wordings of a behaviour: the last sentence is kept for validation, the two before it for tests. */
export function wordings(
  sentences: readonly string[],
  values: Readonly<Record<string, string>> = {},
): Behaviour["wordings"] {
  const filled = sentences.map((sentence) => fill(sentence, values));
  return { train: filled.slice(0, -3), test: filled.slice(-3, -1), validation: filled.slice(-1) };
}

/** One value for each split. */
export const bySplit = <T>(make: (split: Split) => T): { readonly [S in Split]: T } => ({
  train: make("train"),
  validation: make("validation"),
  test: make("test"),
});

/** `count` different members of a list, in a drawn order; all of them where it has no more. */
export function sample<T>(rng: Rng, list: readonly T[], count: number): T[] {
  if (list.length < 4 * count) return rng.shuffle([...list]).slice(0, count);
  const places = new Set<number>();
  while (places.size < count) places.add(rng.int(list.length));
  return [...places].map((place) => list[place]!);
}

export const words = (text: string): string[] => text.trim().split(/\s+/);
