/** @file A tokenizer that remembers: prompts, inputs and answers come again and again. */
import type { Tokenizer } from "./tokenizer-file.ts";

export type CacheLimits = {
  /** Longest text that is remembered, in characters. */
  readonly length?: number;
  /** How many texts are remembered; the first ones are kept. */
  readonly entries?: number;
};

/** Encodes every text once, within the limits. The ids are shared: do not write to them. */
export function cachedTokenizer(
  tokenizer: Tokenizer,
  { length = Number.POSITIVE_INFINITY, entries = Number.POSITIVE_INFINITY }: CacheLimits = {},
): Tokenizer {
  const known = new Map<string, number[]>();
  return {
    ...tokenizer,
    encode(text, options) {
      if (options !== undefined || text.length > length) return tokenizer.encode(text, options);
      const ids = known.get(text) ?? tokenizer.encode(text);
      if (known.size < entries) known.set(text, ids);
      return ids;
    },
  };
}
