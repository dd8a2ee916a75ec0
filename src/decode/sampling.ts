/** @file The next token out of logits: the likeliest, or one drawn by temperature, top-k and top-p. */
import { AppError } from "../base/errors.ts";
import type { Rng } from "../base/rng.ts";

export type Sampling = {
  /** 0: the likeliest token. Otherwise logits are divided by it. */
  readonly temperature?: number | undefined;
  /** Only the k likeliest tokens; 0: all. */
  readonly topK?: number | undefined;
  /** Then only the likeliest tokens that together reach this share; 1: all. */
  readonly topP?: number | undefined;
  /** Needed where the temperature is above 0. */
  readonly rng?: Rng | undefined;
};

/** Takes logits, leaves them as they are, and returns a token id. Throws E_NAN where they are not numbers. */
export type Sampler = (logits: Float32Array) => number;

/** A sampler with room of its own. Throws E_USAGE where the options make no sense. */
export function createSampler(vocab: number, { temperature = 0, topK = 0, topP = 1, rng }: Sampling = {}): Sampler {
  const wants = (ok: boolean, what: string) => {
    if (!ok) throw new AppError("E_USAGE", `sampling: ${what}`);
  };
  wants(temperature >= 0 && temperature < Infinity, `temperature: expected 0 or more, found ${temperature}`);
  wants(Number.isInteger(topK) && topK >= 0, `topK: expected 0 (all) or a whole number above it, found ${topK}`);
  wants(topP > 0 && topP <= 1, `topP: expected more than 0 and at most 1, found ${topP}`);
  if (temperature === 0) return likeliest;
  if (rng === undefined) throw new AppError("E_USAGE", "sampling: a temperature above 0 needs random numbers (rng)");
  const shares = new Float64Array(vocab);
  const sorted = new Float64Array(vocab);
  return (logits) => {
    let total = exponentials(logits, temperature, shares);
    if ((topK === 0 || topK >= vocab) && topP === 1) return draw(shares, rng.next() * total);
    // Only tokens at or above a floor can be among those wanted; they are few, and sorting them is cheap.
    let floor = 0;
    if (topK > 0 && topK < vocab) {
      sorted.set(shares);
      floor = sorted.sort()[vocab - topK]!;
      total = 0;
      for (let i = vocab - topK; i < vocab; i++) total += sorted[i]!;
    }
    // All tokens below (1 − p)/n of the total share are together less than 1 − p, so none of them is needed to reach p.
    floor = Math.max(floor, ((1 - topP) / vocab) * total);
    const ids: number[] = [];
    for (let id = 0; id < vocab; id++) if (shares[id]! >= floor && shares[id]! > 0) ids.push(id);
    ids.sort((a, b) => shares[b]! - shares[a]! || a - b);
    if (topK > 0) ids.length = Math.min(ids.length, topK);
    return drawTop(ids, shares, { wanted: topP * total, uniform: rng.next() });
  };
}

/** The token of the first of the largest logits. Throws E_NAN where one is NaN or infinitely large: damaged weights give such beside sound ones. */
export function likeliest(logits: Float32Array): number {
  let best = -1;
  let top = -Infinity;
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i]!;
    if (!(value < Infinity))
      throw new AppError("E_NAN", `logits: expected finite numbers, found ${value} for token ${i}`);
    if (value > top) {
      top = value;
      best = i;
    }
  }
  if (best < 0) throw new AppError("E_NAN", "logits: expected finite numbers, found none");
  return best;
}

/** exp((logit − max) / temperature) into `out`; returns their sum. */
function exponentials(logits: Float32Array, temperature: number, out: Float64Array): number {
  const top = logits[likeliest(logits)]!;
  let total = 0;
  for (let i = 0; i < out.length; i++) {
    const share = Math.exp((logits[i]! - top) / temperature);
    out[i] = share;
    total += share;
  }
  return total;
}

/** The token in whose share `mark` falls. */
function draw(shares: Float64Array, mark: number): number {
  let lastPositive = 0;
  for (let i = 0, reached = 0; i < shares.length; i++) {
    if (shares[i]! === 0) continue;
    reached += shares[i]!;
    lastPositive = i;
    if (mark < reached) return i;
  }
  return lastPositive; // rounding: the mark lies at the very end
}

/** Of `ids`, likeliest first, the fewest that reach `wanted` together; one of them by its share. */
function drawTop(
  ids: readonly number[],
  shares: Float64Array,
  { wanted, uniform }: { readonly wanted: number; readonly uniform: number },
): number {
  let count = 0;
  let kept = 0;
  while (count < ids.length && (count === 0 || kept < wanted)) kept += shares[ids[count++]!]!;
  let mark = uniform * kept;
  for (let i = 0; i < count; i++) {
    mark -= shares[ids[i]!]!;
    if (mark < 0) return ids[i]!;
  }
  return ids[count - 1]!;
}

/** log Σ exp of one row. Throws E_NAN. */
export function logSumExp(row: Float32Array): number {
  const top = row[likeliest(row)]!;
  let total = 0;
  for (let i = 0; i < row.length; i++) total += Math.exp(row[i]! - top);
  return top + Math.log(total);
}
