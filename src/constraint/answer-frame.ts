/** @file How an answer stands behind its input, whatever the layout: what is written in front of it, and which token ends it. */
import { encodeTarget, type PromptLayout } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

export type AnswerFrame = {
  /** The tokens of an answer, as the model was trained to write them, without the end. Special tokens in it stay text. */
  encode(text: string): number[];
  /** What ends an answer; undefined where a layout and its tokenizer have nothing that does. */
  readonly endId: number | undefined;
};

/** Answers that tell whether a layout writes an answer's text as it is: a word, JSON, a space, a special token's text. */
const probes = (tokenizer: Tokenizer): string[] => [
  "card_lost",
  '{"a": 1}',
  "two words",
  [...tokenizer.specialTokens.keys()][0] ?? "a",
];

/**
 * The frame of a layout. Where it puts a fixed text in front of an answer's own, and nothing else, answers are encoded without laying out a
 * conversation each time: a chat template takes a millisecond.
 */
export function answerFrame(tokenizer: Tokenizer, layout: PromptLayout): AnswerFrame {
  const special = new Set(tokenizer.specialTokens.values());
  const framed = (text: string) => encodeTarget(tokenizer, layout, text);
  const last = framed("a").at(-1);
  const endId = last !== undefined && (special.has(last) || last === tokenizer.eosId) ? last : undefined;
  const inFull = (text: string): number[] => (endId === undefined ? framed(text) : framed(text).slice(0, -1));
  for (const lead of ["", " "]) {
    const plainly = (text: string) => tokenizer.encode(`${lead}${text}`);
    if (probes(tokenizer).every((text) => sameIds(plainly(text), inFull(text)))) return { encode: plainly, endId };
  }
  return { encode: inFull, endId };
}

const sameIds = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((id, i) => id === b[i]);
