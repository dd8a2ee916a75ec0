/** @file How far two models lie apart: their logits on the same tokens. */
import type { FrozenModel } from "../models/frozen-model.ts";
import { type CachedModelOptions, createCachedModel } from "./cached-model.ts";
import { likeliest } from "./sampling.ts";

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
  return changeOfLogits([await logitsOf(a)], [await logitsOf(b)], a.config);
}

/** The same of logits that are there, sequence by sequence. Throws E_NAN where one is no finite number. */
export function changeOfLogits(
  before: readonly Float32Array[],
  after: readonly Float32Array[],
  { vocab }: { readonly vocab: number },
): LogitChange {
  const rowOf = (logits: Float32Array, row: number) => logits.subarray(row * vocab, (row + 1) * vocab);
  let [count, largest, total, agreed] = [0, 0, 0, 0];
  before.forEach((logits, sequence) => {
    const others = after[sequence]!;
    for (let i = 0; i < logits.length; i++) {
      const change = Math.abs(logits[i]! - others[i]!);
      largest = Math.max(largest, change);
      total += change;
    }
    for (let row = 0; row < logits.length / vocab; row++)
      if (likeliest(rowOf(logits, row)) === likeliest(rowOf(others, row))) agreed++;
    count += logits.length;
  });
  const tokens = count / vocab;
  return { tokens, largest, mean: total / count, agreement: agreed / tokens };
}
