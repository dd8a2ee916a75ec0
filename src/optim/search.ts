/**
 * @file Search without gradients, as pure functions from a state and scores to the next state. The cross-entropy method (CEM; Rubinstein 1999;
 * de Boer et al. 2005, algorithm 2.2 with normal densities) draws candidates from a diagonal Gaussian and fits it to the best of them: to
 * their mean and, as Transformer²'s published code does, to their unbiased deviation.
 */
import { AppError } from "../base/errors.ts";
import type { Rng } from "../base/rng.ts";

/** Where candidates are drawn: around `mean`, each number by itself with its `deviation`. Plain data: JSON keeps it. */
export type SearchState = {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
};

export type CemOptions = {
  /** Candidates of a generation. */
  readonly population: number;
  /** The best of them, to which the Gaussian is fitted. */
  readonly elites: number;
  /** Share of the former mean and deviation that stays. */
  readonly smoothing?: number;
  /** No deviation falls below it: a search that is too sure finds nothing more. */
  readonly minDeviation?: number;
  /** The least and the most that a number may be: what is drawn beyond is put there. */
  readonly bounds?: readonly [least: number, most: number];
};

/** The candidates of a generation, each as long as the mean. They follow from state and stream. */
export function drawCandidates(
  { mean, deviation }: SearchState,
  rng: Rng,
  { population, bounds: [least, most] = [-Infinity, Infinity] }: CemOptions,
): number[][] {
  const draw = (center: number, i: number) => Math.min(most, Math.max(least, center + deviation[i]! * rng.normal()));
  return Array.from({ length: population }, () => mean.map(draw));
}

/**
 * The Gaussian fitted to the candidates with the highest scores; among equals to those that were drawn first. A score that is no number
 * (NaN) is lower than any.
 * @throws E_CONFIG for options that do not fit each other
 */
export function nextSearchState(
  { mean, deviation }: SearchState,
  { candidates, scores }: { readonly candidates: readonly (readonly number[])[]; readonly scores: readonly number[] },
  options: CemOptions,
): SearchState {
  const { elites, smoothing = 0, minDeviation = 0 } = options;
  requireCem(options);
  const elite = bestFirst(scores)
    .slice(0, elites)
    .map((place) => candidates[place]!);
  const fitted = mean.map((_, i) => momentsOf(elite.map((candidate) => candidate[i]!)));
  const smooth = (before: number, now: number) => smoothing * before + (1 - smoothing) * now;
  return {
    mean: mean.map((before, i) => smooth(before, fitted[i]!.mean)),
    deviation: deviation.map((before, i) => Math.max(minDeviation, smooth(before, fitted[i]!.deviation))),
  };
}

/** The places of scores, the highest first. */
export function bestFirst(scores: readonly number[]): number[] {
  const orderOf = (score: number) => (Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score);
  return [...scores.keys()].sort((a, b) => {
    const [first, second] = [orderOf(scores[a]!), orderOf(scores[b]!)];
    return first === second ? a - b : second > first ? 1 : -1;
  });
}

/** Throws E_CONFIG. */
export function requireCem({ population, elites, smoothing = 0, minDeviation = 0, bounds = [0, 1] }: CemOptions): void {
  const refuse = (what: string) => {
    throw new AppError("E_CONFIG", `search: ${what}`);
  };
  if (!Number.isInteger(population) || population < 2)
    refuse(`expected a population of at least 2 candidates, found ${population}`);
  if (!Number.isInteger(elites) || elites < 1 || elites > population)
    refuse(`expected 1…${population} elites (the population), found ${elites}`);
  if (!(smoothing >= 0 && smoothing < 1)) refuse(`smoothing: expected a number from 0 to below 1, found ${smoothing}`);
  if (!(minDeviation >= 0 && minDeviation < Infinity))
    refuse(`minDeviation: expected a number from 0, found ${minDeviation}`);
  if (!(bounds[0] < bounds[1])) refuse(`bounds: expected the lower one first, found ${bounds[0]} and ${bounds[1]}`);
}

/** Mean and standard deviation, its square unbiased: Σ (x − mean)² / (n − 1). A single value has none. */
function momentsOf(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}
