/** @file Means, intervals that cluster by task, tests of paired differences. Pure functions over plain numbers. */
import { groupBy } from "../base/group-by.ts";
import type { Rng } from "../base/rng.ts";

export const mean = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
};

/** HAR: the harmonic mean over tasks; 0 where one of them is 0. */
export const harmonicMean = (values: readonly number[]): number =>
  values.length / values.reduce((sum, value) => sum + 1 / value, 0);

/** The p-quantile of sorted values, interpolated linearly. */
export function quantile(sorted: ArrayLike<number>, p: number): number {
  const at = p * (sorted.length - 1);
  const below = Math.floor(at);
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  return low + (at - below) * (high - low);
}

export type Interval = { readonly low: number; readonly high: number };

/** Of a share: its 95 % interval by Wilson's formula, which has a width also where all are right, or none. */
export function wilson(right: number, count: number): Interval {
  const z = 1.96;
  const share = right / count;
  const middle = (share + z ** 2 / (2 * count)) / (1 + z ** 2 / count);
  const reach = (z / (1 + z ** 2 / count)) * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2));
  return { low: Math.max(0, middle - reach), high: Math.min(1, middle + reach) };
}

/** Resamples of a bootstrap: the ends of its intervals then move by about a fiftieth of their length. */
export const BOOTSTRAP_RESAMPLES = 2000;

/**
 * One task: columns of numbers (a method each) over the same questions, (columns, questions). A resampled question brings all its columns,
 * so that differences between them are paired.
 */
export type Cluster = readonly ArrayLike<number>[];

/** The questions of a task by their item, such as the same input asked with several draws of examples: places in the cluster's columns. */
export type Items = readonly (readonly number[])[];

/** Questions with the same input are one item. */
export const itemsOf = (inputs: readonly string[]): Items => [
  ...groupBy([...inputs.keys()], (at) => inputs[at]!).values(),
];

/** Of the mean of answers, where items are independent of each other and the answers to one item need not be (a sandwich estimate). */
export function standardErrorOf(values: readonly number[], items: Items): number {
  const average = mean(values);
  const squares = items.map((item) => item.reduce((sum, at) => sum + (values[at]! - average), 0) ** 2);
  return Math.sqrt((items.length / (items.length - 1)) * squares.reduce((sum, one) => sum + one, 0)) / values.length;
}

type BootstrapOptions = {
  readonly rng: Rng;
  /** Of each cluster, where some of its questions are of one item: items are drawn, each with all its questions. */
  readonly items?: readonly Items[];
  readonly resamples?: number;
  readonly confidence?: number;
};

/**
 * A percentile interval of a statistic of the columns' means over tasks, where tasks are drawn with replacement, and then the items within
 * each (the two-stage bootstrap; tasks are what the result is to hold for). A single task stays, and only its items are drawn.
 */
export function clusterBootstrap(
  clusters: readonly Cluster[],
  statistic: (means: readonly number[]) => number,
  { rng, items = clusters.map(eachAlone), resamples = BOOTSTRAP_RESAMPLES, confidence = 0.95 }: BootstrapOptions,
): Interval {
  const columns = clusters[0]!.length;
  const draws = new Float64Array(resamples);
  const tasks = clusters.map((cluster, at) => sumsByItem(cluster, items[at]!));
  const sums = new Float64Array(columns);
  for (let r = 0; r < resamples; r++) {
    const means = new Array<number>(columns).fill(0);
    for (let c = 0; c < tasks.length; c++) {
      const { byItem, questions } = tasks[tasks.length === 1 ? 0 : rng.int(tasks.length)]!;
      let count = 0;
      sums.fill(0);
      for (let i = 0; i < questions.length; i++) {
        const item = rng.int(questions.length);
        count += questions[item]!;
        for (let k = 0; k < columns; k++) sums[k]! += byItem[item * columns + k]!;
      }
      for (let k = 0; k < columns; k++) means[k]! += sums[k]! / (count * tasks.length);
    }
    draws[r] = statistic(means);
  }
  draws.sort();
  return { low: quantile(draws, (1 - confidence) / 2), high: quantile(draws, (1 + confidence) / 2) };
}

/** Of each item its columns' sums over its questions, (items, columns), and how many these are. */
function sumsByItem(cluster: Cluster, items: Items): { readonly byItem: Float64Array; readonly questions: number[] } {
  const byItem = new Float64Array(items.length * cluster.length);
  items.forEach((item, i) => {
    cluster.forEach((column, k) => {
      byItem[i * cluster.length + k] = item.reduce((sum, question) => sum + column[question]!, 0);
    });
  });
  return { byItem, questions: items.map(({ length }) => length) };
}

const eachAlone = ([first]: Cluster): Items => Array.from(first!, (_, at) => [at]);

/** The means over tasks of the columns' means. */
export const columnMeans = (clusters: readonly Cluster[]): number[] =>
  clusters[0]!.map((_, k) => mean(clusters.map((cluster) => mean(cluster[k]!))));

/** All signs are tried up to this many tasks, else as many are drawn at random. */
const exactSigns = 13;
const drawnSigns = 10_000;

/**
 * The p-value of "the mean difference over tasks is 0": the share of sign changes of the tasks' differences that give a mean as far from 0
 * (a paired randomisation test, two-sided, clustered by task). With k tasks it is at least 2^(1−k).
 */
export function signFlipTest(differences: readonly number[], rng: Rng): number {
  const total = Math.abs(differences.reduce((sum, value) => sum + value, 0));
  const reach = total - 1e-12 * differences.length; // sums of the same numbers in another order are equal
  const isAsFar = (flip: (i: number) => boolean): boolean =>
    Math.abs(differences.reduce((sum, value, i) => sum + (flip(i) ? -value : value), 0)) >= reach;
  let asFar = 0;
  if (differences.length <= exactSigns) {
    const count = 2 ** differences.length;
    for (let signs = 0; signs < count; signs++) if (isAsFar((i) => (signs & (1 << i)) !== 0)) asFar++;
    return asFar / count;
  }
  for (let draw = 0; draw < drawnSigns; draw++) if (isAsFar(() => rng.int(2) === 1)) asFar++;
  return (asFar + 1) / (drawnSigns + 1);
}

/** Holm's correction: p-values that may be held against one level together. */
export function holm(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const adjusted = new Array<number>(values.length);
  let least = 0;
  order.forEach((index, rank) => {
    least = Math.max(least, Math.min(1, (values.length - rank) * values[index]!));
    adjusted[index] = least;
  });
  return adjusted;
}
