/** @file Means, their standard errors, Student intervals and the paired bootstrap. Pure functions over plain numbers. */
import type { Rng } from "../base/rng.ts";

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Of a sample: divided by n − 1. NaN for fewer than two values. */
export function standardDeviation(values: readonly number[]): number {
  const mu = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mu) ** 2, 0) / (values.length - 1));
}

/** Of the mean of independent values. Over the accuracies of tasks it is the standard error clustered by task. */
export const standardError = (values: readonly number[]): number =>
  standardDeviation(values) / Math.sqrt(values.length);

/** Of a share p of n right answers: √(p(1 − p)/(n − 1)). NaN for one answer. */
export const binomialError = (share: number, n: number): number => Math.sqrt((share * (1 - share)) / (n - 1));

/** The p-quantile of sorted values, interpolated linearly. */
export function quantile(sorted: ArrayLike<number>, p: number): number {
  const at = p * (sorted.length - 1);
  const below = Math.floor(at);
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  return low + (at - below) * (high - low);
}

/**
 * P(|T| ≤ t) of Student's t with a whole number of degrees of freedom: the finite sums of Abramowitz and Stegun
 * 26.7.3 (odd) and 26.7.4 (even).
 */
export function studentCoverage(t: number, degrees: number): number {
  const theta = Math.atan(t / Math.sqrt(degrees));
  const cos2 = Math.cos(theta) ** 2;
  const isOdd = degrees % 2 === 1;
  let term = isOdd ? Math.cos(theta) : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let k = isOdd ? 3 : 2; k < degrees - 1; k += 2) {
    term *= (cos2 * (k - 1)) / k;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (theta + Math.sin(theta) * sum) : Math.sin(theta) * sum;
}

/** The t with P(|T| ≤ t) = confidence, by bisection. */
export function studentQuantile(confidence: number, degrees: number): number {
  let [low, high] = [0, 1];
  while (studentCoverage(high, degrees) < confidence) high *= 2;
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (studentCoverage(middle, degrees) < confidence) low = middle;
    else high = middle;
  }
  return high;
}

export type Interval = { readonly low: number; readonly high: number };

/** Student's interval around the mean of two or more independent values. */
export function studentInterval(values: readonly number[], confidence = 0.95): Interval {
  const reach = studentQuantile(confidence, values.length - 1) * standardError(values);
  return { low: mean(values) - reach, high: mean(values) + reach };
}

export type Difference = Interval & { readonly difference: number };
export type PairedDifferences = Difference & { readonly groups: Difference[] };

/** At least this many resamples: the intervals' ends then move by about a hundredth of their length. */
export const BOOTSTRAP_RESAMPLES = 10_000;

/**
 * Percentile intervals by the paired bootstrap (Koehn 2004). Each group (a task) holds the differences of its queries;
 * queries are resampled within their group, and the statistic is the mean over groups of the groups' means.
 */
export function pairedBootstrap(
  groups: readonly (readonly number[])[],
  { rng, resamples = BOOTSTRAP_RESAMPLES, confidence = 0.95 }: { rng: Rng; resamples?: number; confidence?: number },
): PairedDifferences {
  const total = new Float64Array(resamples);
  const interval = (draws: Float64Array): Interval => {
    const sorted = draws.sort();
    return { low: quantile(sorted, (1 - confidence) / 2), high: quantile(sorted, (1 + confidence) / 2) };
  };
  const each = groups.map((differences, index) => {
    const stream = rng.split(`group-${index}`);
    const draws = new Float64Array(resamples);
    for (let i = 0; i < resamples; i++) {
      let sum = 0;
      for (let j = 0; j < differences.length; j++) sum += differences[stream.int(differences.length)]!;
      draws[i] = sum / differences.length;
      total[i]! += draws[i]! / groups.length;
    }
    return { difference: mean(differences), ...interval(draws) };
  });
  return { difference: mean(each.map(({ difference }) => difference)), ...interval(total), groups: each };
}
