/** @file How far two models lie apart: their logits on the same tokens. */
import type { FrozenModel } from "../models/frozen-model.ts";
import { type CachedModelOptions, createCachedModel } from "./cached-model.ts";

export type LogitChange = {
  readonly tokens: number;
  /** Largest and mean absolute difference of any logit. */
  readonly largest: number;
  readonly mean: number;
  /** Share of the positions at which both find the same token likeliest. */
  readonly agreement: number;
};

/** Compares the logits behind every one of `ids`. */
export async function logitChange(
  a: FrozenModel,
  b: FrozenModel,
  ids: readonly number[],
  options: Omit<CachedModelOptions, "capacity"> = {},
): Promise<LogitChange> {
  const logitsOf = async (model: FrozenModel) => {
    await using cached = await createCachedModel(model, { ...options, capacity: ids.length });
    return (await cached.feedAll(ids)).slice();
  };
  const [before, after] = [await logitsOf(a), await logitsOf(b)];
  const { vocab } = a.config;
  let [largest, total, agreed] = [0, 0, 0];
  for (let i = 0; i < before.length; i++) {
    const change = Math.abs(before[i]! - after[i]!);
    largest = Math.max(largest, change);
    total += change;
  }
  for (let row = 0; row < ids.length; row++)
    if (likeliest(before, row, vocab) === likeliest(after, row, vocab)) agreed++;
  return { tokens: ids.length, largest, mean: total / before.length, agreement: agreed / ids.length };
}

function likeliest(logits: Float32Array, row: number, vocab: number): number {
  let best = row * vocab;
  for (let i = best + 1; i < (row + 1) * vocab; i++) if (logits[i]! > logits[best]!) best = i;
  return best - row * vocab;
}
