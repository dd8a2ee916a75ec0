/** @file How far two models lie apart: their logits on the same tokens. */
import { AppError } from "../base/errors.ts";
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
  const { largestDifference: largest, meanDifference: mean } = compareLogits(before, after);
  let [tokens, agreed] = [0, 0];
  for (const [sequence, logits] of before.entries()) {
    const rows = logits.length / vocab;
    for (let row = 0; row < rows; row++)
      if (likeliest(rowOf(logits, row)) === likeliest(rowOf(after[sequence]!, row))) agreed++;
    tokens += rows;
  }
  return { tokens, largest, mean, agreement: agreed / tokens };
}

export type LogitGap = {
  /** NaN or infinite where a logit of either is. */
  readonly largestDifference: number;
  readonly meanDifference: number;
  /** Of the wanted. */
  readonly largestLogit: number;
};

/** Compares logits one by one, sequence by sequence. Throws E_SHAPE where they are not as many. */
export function compareLogits(wanted: readonly Float32Array[], found: readonly Float32Array[]): LogitGap {
  let [largestDifference, total, largestLogit, count] = [0, 0, 0, 0];
  for (const [sequence, logits] of wanted.entries()) {
    const others = found[sequence]!;
    if (others.length !== logits.length)
      throw new AppError("E_SHAPE", `what was written gives ${others.length} logits, expected ${logits.length}`);
    for (let i = 0; i < logits.length; i++) {
      const difference = Math.abs(logits[i]! - others[i]!);
      largestDifference = Math.max(largestDifference, difference); // NaN once is NaN for good
      largestLogit = Math.max(largestLogit, Math.abs(logits[i]!));
      total += difference;
    }
    count += logits.length;
  }
  return { largestDifference, meanDifference: total / count, largestLogit };
}
