/** @file Texts that cannot fit a model are refused before they become tokens: reading megabytes would keep everybody else waiting. */
import { AppError } from "../../base/errors.ts";
import type { EdgePair } from "../../pair/pair.ts";
import { longestToken } from "../../text/longest-token.ts";

/** Throws E_LIMIT for texts that are longer than the longest tokens that the context has room for. */
export function requireReadable(
  { tokenizer, edge }: Pick<EdgePair, "tokenizer" | "edge">,
  texts: readonly string[],
): void {
  const characters = texts.reduce((sum, text) => sum + text.length, 0);
  const { context } = edge.config;
  if (characters > context * longestToken(tokenizer))
    throw new AppError(
      "E_LIMIT",
      `prompt: expected at most ${context} tokens, found ${characters} characters, which are more`,
    );
}
