/** @file A question in plain text as tokens: where choices part, and which tokens of them count. */
import { AppError } from "../base/errors.ts";
import { type TextLayout, textParts, textSeparator } from "../data/text-question.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";
import type { ForcedQuery } from "./packing.ts";

/**
 * Each choice is split into what is read and what counts as lm-evaluation-harness does it: both are encoded together, and what counts begins
 * behind as many tokens as the first part has by itself, without the spaces at its end. Throws E_PROMPT where choices share no first token.
 */
export function encodeTextQuery(
  tokenizer: Tokenizer,
  layout: TextLayout,
  {
    input,
    choices,
    context,
    addSpecial = true,
  }: {
    readonly input: string;
    readonly choices: readonly string[];
    readonly context: string | undefined;
    /** Off where the text follows something that has begun already. */
    readonly addSpecial?: boolean;
  },
): ForcedQuery {
  const before = context === undefined ? "" : `${context}${textSeparator}`;
  const encode = (text: string) => tokenizer.encode(text, { addSpecial });
  const parts = choices.map((choice) => {
    const { read, counted } = textParts(layout, `${before}${input}`, choice);
    return { head: encode(read.trimEnd()), whole: encode(read + counted) };
  });
  const shared = commonLength(parts.map(({ head }) => head));
  if (shared === 0)
    throw new AppError(
      "E_PROMPT",
      "text question: expected all choices to stand behind some text, found none before them",
    );
  return {
    prompt: parts[0]!.head.slice(0, shared),
    answers: parts.map(({ head, whole }) => [...head.slice(shared), ...whole.slice(head.length)]),
    given: parts.map(({ head }) => head.length - shared),
  };
}

function commonLength([first = [], ...rest]: readonly (readonly number[])[]): number {
  const differs = first.findIndex((id, i) => rest.some((ids) => ids[i] !== id));
  return differs < 0 ? first.length : differs;
}
