/** @file A prompt longer than the cloud model's context: refused with the count, or shortened on request. */
import { AppError } from "../base/errors.ts";
import { checkPrompt, cloudHead, type PromptLayout } from "./prompt.ts";
import type { Tokenizer } from "./tokenizer.ts";

export type FittedPrompt = {
  /** Head and prompt; the meta tokens come behind them. */
  ids: number[];
  /** Tokens of head and prompt before anything was dropped. */
  tokens: number;
  droppedExamples: number;
  /** Tokens dropped from the middle of what was left without those examples. */
  droppedTokens: number;
};

const EXAMPLE_START = /\n\n(?=Input: )/;

/**
 * The cloud model's tokens for a prompt in at most `maxTokens` (the context without the room for meta tokens).
 * A longer prompt is E_PROMPT with both counts; with `truncate`, examples are dropped from the middle on until the
 * first and the last are left, and if that is not enough, tokens from the middle, so that head and tail stay.
 */
export function fitPrompt(
  tokenizer: Tokenizer,
  layout: PromptLayout,
  prompt: string,
  { maxTokens, truncate = false }: { maxTokens: number; truncate?: boolean },
): FittedPrompt {
  checkPrompt(prompt);
  const head = cloudHead(tokenizer, layout);
  const room = maxTokens - head.length;
  if (room < 1)
    throw new AppError("E_PROMPT", `system prompt: expected room for a prompt, found a context of ${maxTokens} tokens`);
  let body = tokenizer.encode(prompt);
  const tokens = head.length + body.length;
  if (body.length <= room) return { ids: [...head, ...body], tokens, droppedExamples: 0, droppedTokens: 0 };
  if (!truncate)
    throw new AppError(
      "E_PROMPT",
      `system prompt: expected at most ${maxTokens} tokens, found ${tokens}; --truncate shortens it`,
    );
  const parts = prompt.split(EXAMPLE_START);
  const firstExample = parts[0]!.startsWith("Input: ") ? 0 : 1;
  let droppedExamples = 0;
  while (body.length > room && parts.length - firstExample > 2) {
    parts.splice(firstExample + Math.floor((parts.length - firstExample) / 2), 1);
    droppedExamples++;
    body = tokenizer.encode(parts.join("\n\n"));
  }
  const droppedTokens = Math.max(0, body.length - room);
  if (droppedTokens > 0) {
    const kept = Math.ceil(room / 2);
    body = [...body.slice(0, kept), ...body.slice(body.length - (room - kept))];
  }
  return { ids: [...head, ...body], tokens, droppedExamples, droppedTokens };
}
