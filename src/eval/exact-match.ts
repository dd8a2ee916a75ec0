/** @file Whether the greedy answer is the target, decided from one forward pass over the target's own tokens. */
import type { Decoder } from "../decode/decoder.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";

export type Verdict = "equal" | "different" | "open";

export type ExactMatchOptions = {
  readonly tokenizer: Tokenizer;
  /** The model's end tokens. */
  readonly stopIds: readonly number[];
};

/**
 * `answer` are the target's tokens, `greedy` the most likely token behind each beginning of them.
 * Greedy decoding says the target's tokens exactly if the two are the same. Where it leaves them, it can still spell the same text with other tokens or other white space around it:
 * as long as its text is a beginning of the target the verdict is open, and only decoding can tell.
 */
export function judge(
  answer: readonly number[],
  greedy: readonly number[],
  target: string,
  { tokenizer, stopIds }: ExactMatchOptions,
): Verdict {
  const at = answer.findIndex((id, i) => greedy[i] !== id);
  if (at < 0) return stopIds.includes(answer.at(-1)!) ? "equal" : "open";
  const stops = stopIds.includes(greedy[at]!);
  const said = tokenizer.decode([...answer.slice(0, at), ...(stops ? [] : [greedy[at]!])], { skipSpecial: true });
  const wanted = target.trim();
  if (stops) return said.trim() === wanted ? "equal" : "different";
  const begun = said.trimStart().replace(/\uFFFD+$/, ""); // a character may still be incomplete
  return wanted.startsWith(begun) || begun.trimEnd() === wanted ? "open" : "different";
}

/** Tokens beyond the target's bytes that an answer may waste on white space before it counts as different. */
const spareTokens = 8;

/** The definition itself: the greedy answer, trimmed, is the target, trimmed. */
export async function isGreedyAnswer(
  decoder: Decoder,
  prompt: readonly number[],
  target: string,
  { tokenizer, stopIds, signal }: ExactMatchOptions & { readonly signal?: AbortSignal | undefined },
): Promise<boolean> {
  const maxTokens = Buffer.byteLength(target) + spareTokens; // every token but those of white space has a byte of the target
  const { text, finish } = await decoder.generate(prompt, { maxTokens, stopIds, tokenizer, signal });
  return finish === "stop" && text!.trim() === target.trim();
}
