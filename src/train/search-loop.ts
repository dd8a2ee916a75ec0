/** @file The loop of a search without gradients: draws candidates, has them scored, keeps the best; stands beside the training loop. */
import { AppError } from "../base/errors.ts";
import { createRng, type Rng } from "../base/rng.ts";
import {
  bestFirst,
  type CemOptions,
  drawCandidates,
  nextSearchState,
  requireCem,
  type SearchState,
} from "../optim/search.ts";

/** What is searched for, and how. */
export type Search = CemOptions & {
  /** The mean of the first generation, and how far its candidates scatter. */
  readonly start: SearchState;
  readonly generations: number;
  readonly seed: number;
  /** Candidates with which the first generation begins, in the place of some that are drawn. */
  readonly first?: readonly (readonly number[])[];
  /** Whether the best candidate so far is one of each generation, and scored again there. */
  readonly keepsBest?: boolean;
  /** Off: all generations are drawn from the start. That is random shooting, the control that costs the same. */
  readonly fits?: boolean;
  /**
   * How good a candidate is: the higher the better. One at a time, and each of a generation with the same `rng`: what it draws from
   * there, such as the samples of a batch, is the same for all of them.
   */
  readonly score: (candidate: readonly number[], place: ScorePlace) => number | Promise<number>;
};

export type ScorePlace = {
  readonly rng: Rng;
  /** From 0. */
  readonly generation: number;
  readonly index: number;
};

/** One generation, for logs. */
export type SearchRecord = {
  readonly generation: number;
  readonly best: number;
  /** Over the elites. */
  readonly elites: number;
  /** Over all candidates that have a score. */
  readonly mean: number;
  /** Mean of the deviations after it: how far the search still scatters. */
  readonly deviation: number;
  /** The mean of the Gaussian after it. */
  readonly center: readonly number[];
};

export type Found = {
  /** The candidate with the highest score of all, and that score. */
  readonly best: { readonly candidate: readonly number[]; readonly score: number; readonly generation: number };
  /** The Gaussian after the last generation: its mean is steadier than the best where scores are noisy. */
  readonly state: SearchState;
  readonly history: readonly SearchRecord[];
  readonly interrupted: boolean;
};

export type SearchContext = {
  readonly signal?: AbortSignal;
  readonly onGeneration?: (record: SearchRecord) => void | Promise<void>;
};

/**
 * Searches to the end or until the signal, which is noticed between two candidates: the generation that it interrupts does not count.
 * The same search and scores give the same result.
 * @throws E_CONFIG for options that do not fit; E_NAN where no candidate of a generation has a score; E_INTERRUPTED before the first
 * generation is done
 */
export async function searchLoop(search: Search, { signal, onGeneration }: SearchContext = {}): Promise<Found> {
  requireSearch(search);
  const root = createRng(search.seed).split("search");
  const history: SearchRecord[] = [];
  let state = search.start;
  let best: Found["best"] | undefined;
  for (let generation = 0; generation < search.generations; generation++) {
    const stream = root.split(`generation-${generation}`);
    const drawn = drawCandidates(state, stream.split("candidates"), search);
    const given = generation === 0 ? (search.first ?? []) : search.keepsBest === true ? [best!.candidate] : [];
    const candidates = [...given, ...drawn.slice(given.length)];
    const scores: number[] = [];
    for (const [index, candidate] of candidates.entries()) {
      if (signal?.aborted) break;
      scores.push(await search.score(candidate, { rng: stream.split("score"), generation, index }));
    }
    if (scores.length < candidates.length) break;
    const order = bestFirst(scores);
    const top = scores[order[0]!]!;
    if (!Number.isFinite(top))
      throw new AppError("E_NAN", `search: generation ${generation}: expected a score that is a number, found ${top}`);
    if (best === undefined || top > best.score) best = { candidate: candidates[order[0]!]!, score: top, generation };
    if (search.fits ?? true) state = nextSearchState(state, { candidates, scores }, search);
    const record = recordOf(generation, { scores, order, state, elites: search.elites });
    history.push(record);
    await onGeneration?.(record);
  }
  if (best === undefined) throw new AppError("E_INTERRUPTED", "search: stopped before its first generation was scored");
  return { best, state, history, interrupted: history.length < search.generations };
}

function requireSearch(search: Search): void {
  requireCem(search);
  const { start, generations, first = [], population } = search;
  if (!Number.isInteger(generations) || generations < 1)
    throw new AppError("E_CONFIG", `search: expected at least 1 generation, found ${generations}`);
  if (start.mean.length === 0 || start.mean.length !== start.deviation.length)
    throw new AppError(
      "E_CONFIG",
      `search: expected a start with as many deviations as means, found ${start.deviation.length} and ${start.mean.length}`,
    );
  if (!start.mean.every(Number.isFinite) || !start.deviation.every((value) => value >= 0 && value < Infinity))
    throw new AppError("E_CONFIG", "search: expected a start of finite numbers, deviations from 0");
  if (first.length > population || first.some(({ length }) => length !== start.mean.length))
    throw new AppError(
      "E_CONFIG",
      `search: expected at most ${population} first candidates (the population) of ${start.mean.length} numbers each`,
    );
}

type Scored = {
  readonly scores: readonly number[];
  readonly order: readonly number[];
  readonly state: SearchState;
  readonly elites: number;
};

function recordOf(generation: number, { scores, order, state, elites }: Scored): SearchRecord {
  return {
    generation,
    best: scores[order[0]!]!,
    elites: meanOf(order.slice(0, elites).map((place) => scores[place]!)),
    mean: meanOf(scores),
    deviation: meanOf(state.deviation),
    center: state.mean,
  };
}

/** Of the numbers among them. */
function meanOf(values: readonly number[]): number {
  const finite = values.filter(Number.isFinite);
  return finite.reduce((sum, value) => sum + value, 0) / finite.length;
}
