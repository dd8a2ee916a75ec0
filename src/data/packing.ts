/** @file Token sequences of different lengths as one rectangular batch, with the loss where it is wanted. */
import { AppError } from "../base/errors.ts";

export type Sequence = {
  readonly ids: readonly number[];
  /** Index of the first token that is to be predicted: the first token of the answer. At least 1. */
  readonly lossFrom: number;
};

export type PaddedBatch = {
  readonly rows: number;
  readonly length: number;
  /** (rows, length): what the model reads. */
  readonly tokens: Int32Array;
  /** (rows, length): the next token at each position. */
  readonly targets: Int32Array;
  /** (rows, length): 1 where the target counts, else 0. */
  readonly mask: Float32Array;
};

/**
 * Shifts each sequence by one (`tokens[t]` predicts `targets[t] = ids[t + 1]`) and pads on the right. `length` counts
 * predicted positions: a sequence of k ids fills k − 1; without it the longest sequence decides. Throws E_LIMIT for a
 * sequence that is longer.
 */
export function padBatch(
  sequences: readonly Sequence[],
  { padId, length = longest(sequences) }: { padId: number; length?: number },
): PaddedBatch {
  const rows = sequences.length;
  const tokens = new Int32Array(rows * length).fill(padId);
  const targets = new Int32Array(rows * length).fill(padId);
  const mask = new Float32Array(rows * length);
  sequences.forEach(({ ids, lossFrom }, row) => {
    if (ids.length - 1 > length)
      throw new AppError("E_LIMIT", `batch row ${row}: expected at most ${length + 1} tokens, found ${ids.length}`);
    const start = row * length;
    for (let t = 0; t + 1 < ids.length; t++) {
      tokens[start + t] = ids[t]!;
      targets[start + t] = ids[t + 1]!;
      mask[start + t] = t + 1 >= lossFrom ? 1 : 0;
    }
  });
  return { rows, length, tokens, targets, mask };
}

/** Ids as a graph's int64 input takes them. */
export const toInt64 = (ids: ArrayLike<number>): BigInt64Array =>
  BigInt64Array.from({ length: ids.length }, (_, i) => BigInt(ids[i]!));

function longest(sequences: readonly Sequence[]): number {
  return sequences.reduce((most, { ids }) => Math.max(most, ids.length - 1), 0);
}
