/** @file A bound on texts before they become tokens: no text of so few tokens is longer. */
import type { Tokenizer } from "./tokenizer.ts";

const longest = new WeakMap<Tokenizer, number>();

/** Characters of the longest token of a vocabulary. */
export function longestToken(tokenizer: Tokenizer): number {
  const known = longest.get(tokenizer);
  if (known !== undefined) return known;
  let found = 1;
  for (let id = 0; id < tokenizer.vocabSize; id++) found = Math.max(found, tokenizer.tokenText(id)?.length ?? 0);
  longest.set(tokenizer, found);
  return found;
}
