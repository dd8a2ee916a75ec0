/** @file Log-probabilities of chosen tokens and of the likeliest others, as OpenAI's clients read them. */

import type { ChosenToken } from "../../decode/generate.ts";
import { logSumExp } from "../../decode/sampling.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";

export type TokenLogprob = { readonly token: string; readonly logprob: number; readonly bytes: number[] };
export type ChosenLogprob = TokenLogprob & { readonly top_logprobs: TokenLogprob[] };

/** Of the model's own distribution, whatever was allowed and however it was drawn. A token without choice has probability 1. */
export function logprobOf(tokenizer: Tokenizer, { id, logits }: ChosenToken, top: number): ChosenLogprob {
  const described = (token: number, logprob: number): TokenLogprob => {
    const text = tokenizer.decode([token], { skipSpecial: false });
    return { token: text, logprob, bytes: [...Buffer.from(text)] };
  };
  if (logits === undefined) return { ...described(id, 0), top_logprobs: [] };
  const total = logSumExp(logits);
  const likeliest = topIds(logits, top);
  return {
    ...described(id, logits[id]! - total),
    top_logprobs: likeliest.map((token) => described(token, logits[token]! - total)),
  };
}

/** The ids of the `count` largest logits, the largest first. */
function topIds(logits: Float32Array, count: number): number[] {
  const top: number[] = [];
  for (let id = 0; id < logits.length && count > 0; id++) {
    if (top.length === count && logits[id]! <= logits[top.at(-1)!]!) continue;
    let at = top.length;
    while (at > 0 && logits[top[at - 1]!]! < logits[id]!) at--;
    top.splice(at, 0, id);
    if (top.length > count) top.pop();
  }
  return top;
}
