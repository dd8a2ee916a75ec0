/** @file How much of each skill, found from a few labelled examples without gradients (Transformer², its third way to dispatch). */
import type { SearchRecord } from "../train/search-loop.ts";
import { searchShots } from "./shot-search.ts";
import type { ShotScore } from "./shots.ts";
import { everywhere, type Shares } from "./skill-pool.ts";

/** Ways to find shares. `random` and `uniform` are controls: as many candidates without learning from them, and one without a search. */
export const searches = ["cem", "random", "uniform"] as const;
export type SearchName = (typeof searches)[number];

export type FewShotOptions = {
  readonly search?: SearchName;
  /** Shares of every layer by itself. */
  readonly perLayer?: boolean;
  readonly generations?: number;
  readonly population?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onGeneration?: (record: Generation) => void;
};

/** One generation of a search: the best so far, and the mean share of each skill over layers. */
export type Generation = {
  readonly generation: number;
  readonly accuracy: number;
  readonly best: number;
  readonly mean: number;
  readonly shares: readonly number[];
};

export type FoundShares = ShotScore & {
  readonly shares: Shares;
  /** Times that all examples were asked. */
  readonly evaluations: number;
  readonly history: readonly Generation[];
  readonly interrupted: boolean;
};

/** The published code's: shares from 0 to 1, the first Gaussian spans them. */
export const fewShotDefaults = { search: "cem", perLayer: false, generations: 10, population: 32, seed: 1 } as const;
const bounds = [0, 1] as const;
const firstDeviation = 0.5;

/** Finds shares of K skills by what `score` says of them, from the uniform mixture on. Throws as `searchShots`. */
export async function findShares(
  { skills, layers, examples }: { readonly skills: number; readonly layers: number; readonly examples: number },
  score: (shares: Shares, signal?: AbortSignal) => Promise<ShotScore>,
  options: FewShotOptions = {},
): Promise<FoundShares> {
  const { signal, onGeneration, ...given } = options;
  const { search, perLayer, generations, population, seed } = { ...fewShotDefaults, ...given };
  const uniform = new Array<number>((perLayer ? layers : 1) * skills).fill(1 / skills);
  const sharesOf = (numbers: readonly number[]): Shares =>
    perLayer
      ? everywhere(layers, numbers).map((all, layer) => all.slice(layer * skills, (layer + 1) * skills))
      : everywhere(layers, numbers);
  if (search === "uniform") {
    const shares = sharesOf(uniform);
    return { shares, ...(await score(shares, signal)), evaluations: 1, history: [], interrupted: false };
  }
  const history: Generation[] = [];
  const { best, evaluations, interrupted } = await searchShots(
    {
      start: { mean: uniform, deviation: uniform.map(() => firstDeviation) },
      bounds,
      population,
      generations,
      seed,
      fits: search === "cem",
      keepsBest: search === "cem",
      examples,
      score: (candidate) => score(sharesOf(candidate), signal),
      what: { candidates: "mixtures", parts: "skills" },
    },
    {
      signal,
      onGeneration(record, { score: { accuracy } }) {
        history.push(generationOf(record, accuracy, skills));
        onGeneration?.(history.at(-1)!);
      },
    },
  );
  return { shares: sharesOf(best.candidate), ...best.score, evaluations, history, interrupted };
}

function generationOf({ generation, best, mean, center }: SearchRecord, accuracy: number, skills: number): Generation {
  const rows = center.length / skills;
  const shares = Array.from({ length: skills }, (_, skill) => {
    const own = center.filter((_, i) => i % skills === skill);
    return own.reduce((sum, share) => sum + share, 0) / rows;
  });
  return { generation, accuracy, best, mean, shares };
}
