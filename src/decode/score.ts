/** @file Log-likelihoods of given continuations: how choices are compared. */
import { AppError } from "../base/errors.ts";
import type { CachedModel } from "./cached-model.ts";
import { readPrompt } from "./generate.ts";
import { logSumExp } from "./sampling.ts";

/**
 * Σ log p(token | prompt, tokens before it) of each continuation. The prompt is read once; continuations follow it in turn, each
 * overwriting the one before in the cache. An empty continuation scores 0.
 * @throws E_PROMPT for an empty prompt, E_LIMIT where prompt and continuation exceed the capacity by more than the last token
 */
export async function score(
  model: CachedModel,
  promptIds: readonly number[],
  continuations: readonly (readonly number[])[],
  { vocab, reuse }: { readonly vocab: number; readonly reuse: boolean },
): Promise<number[]> {
  for (const ids of continuations) checkContinuation(ids, { vocab, room: model.capacity - promptIds.length + 1 });
  const first = await readPrompt(model, promptIds, { reuse });
  const firstTotal = logSumExp(first);
  const scores = continuations.map(([id]) => (id === undefined ? 0 : first[id]! - firstTotal));
  for (const [i, ids] of continuations.entries()) {
    if (ids.length < 2) continue;
    const held = model.rewind(promptIds, { reuse: true });
    if (held < promptIds.length) await model.feed(promptIds.slice(held));
    const logits = await model.feedAll(ids.slice(0, -1));
    for (let t = 1; t < ids.length; t++) {
      const row = logits.subarray((t - 1) * vocab, t * vocab);
      scores[i]! += row[ids[t]!]! - logSumExp(row);
    }
  }
  return scores;
}

function checkContinuation(ids: readonly number[], { vocab, room }: { vocab: number; room: number }): void {
  if (ids.length > room)
    throw new AppError(
      "E_LIMIT",
      `continuation: expected at most ${room} tokens behind the prompt, found ${ids.length}`,
    );
  for (const id of ids)
    if (!Number.isInteger(id) || id < 0 || id >= vocab)
      throw new AppError("E_LIMIT", `token id: expected 0…${vocab - 1}, found ${id}`);
}
