/** @file Means of a certificate with their 95 % intervals over the inputs. */
import type { Rng } from "../../base/rng.ts";
import { BOOTSTRAP_RESAMPLES, mean, quantile, wilson } from "../../eval/statistics.ts";

export type Mean = { readonly mean: number; readonly low: number; readonly high: number };

/** Others get their turn in between. */
const resamplesAtOnce = 50;

/**
 * Draws the inputs again and again, all columns (columns, inputs) together, so that differences are paired. Others get their turn in between.
 * @returns the mean of a statistic of the columns' means, with its 95 % percentile interval
 */
export async function resampled(columns: readonly (readonly number[])[], rng: Rng) {
  const { length } = columns[0]!;
  const draws: number[][] = [];
  for (let r = 0; r < BOOTSTRAP_RESAMPLES; r++) {
    const sums = columns.map(() => 0);
    for (let i = 0; i < length; i++) {
      const at = rng.int(length);
      for (let k = 0; k < columns.length; k++) sums[k]! += columns[k]![at]!;
    }
    draws.push(sums.map((sum) => sum / length));
    if (r % resamplesAtOnce === 0) await new Promise((done) => setImmediate(done));
  }
  return (statistic: (means: readonly number[]) => number): Mean => {
    const sorted = draws.map(statistic).sort((a, b) => a - b);
    return { mean: statistic(columns.map(mean)), low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
  };
}

/** The mean of one column. */
export const meanOf = async (values: readonly number[], rng: Rng): Promise<Mean> =>
  (await resampled([values], rng))(([own]) => own!);

export const shareOf = (kept: readonly boolean[]): Mean => {
  const count = kept.filter(Boolean).length;
  return { mean: count / kept.length, ...wilson(count, kept.length) };
};

/** Of what is right or wrong by Wilson's formula, for resampling sees no doubt where all are right; else by resampling. */
export const scoreMean = async (scores: readonly number[], rng: Rng): Promise<Mean> =>
  scores.every((score) => score === 0 || score === 1)
    ? shareOf(scores.map((score) => score === 1))
    : meanOf(scores, rng);
