/** @file How much of each skill, found from a few labelled examples without gradients (Transformer², its third way to dispatch). */
import { AppError } from "../base/errors.ts";
import { type SearchRecord, searchLoop } from "../train/search-loop.ts";
import { type ShotScore, shotReward } from "./shots.ts";
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

/** The published code's: a fifth of the candidates is fitted to, shares from 0 to 1, the first Gaussian spans them. */
export const fewShotDefaults = { search: "cem", perLayer: false, generations: 10, population: 32, seed: 1 } as const;
const eliteShare = 0.2;
const bounds = [0, 1] as const;
const firstDeviation = 0.5;

/**
 * Finds shares of K skills by what `score` says of them. The uniform mixture is the first candidate of all, so that nothing worse is found.
 * @throws E_DATA where all candidates of the first generation score alike: there is nothing to choose by; and as `searchLoop`
 */
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
  let best: { readonly reward: number; readonly found: ShotScore } | undefined;
  const seen = new Set<number>();
  let evaluations = 0;
  const history: Generation[] = [];
  const found = await searchLoop(
    {
      start: { mean: uniform, deviation: uniform.map(() => firstDeviation) },
      first: [uniform],
      bounds,
      population,
      elites: Math.max(1, Math.floor(eliteShare * population)),
      generations,
      seed,
      fits: search === "cem",
      keepsBest: search === "cem",
      async score(candidate) {
        const one = await score(sharesOf(candidate), signal);
        const reward = shotReward(one, examples);
        evaluations++;
        if (evaluations <= population) seen.add(reward);
        if (best === undefined || reward > best.reward) best = { reward, found: one };
        return reward;
      },
    },
    {
      ...(signal === undefined ? {} : { signal }),
      onGeneration(record) {
        if (seen.size === 1)
          throw new AppError(
            "E_DATA",
            `search: expected mixtures that differ in what they score, found ${[...seen][0]} for all ${population} of the first generation: the skills do nothing on these examples`,
          );
        history.push(generationOf(record, best!.found.accuracy, skills));
        onGeneration?.(history.at(-1)!);
      },
    },
  );
  return {
    shares: sharesOf(found.best.candidate),
    ...best!.found,
    evaluations,
    history,
    interrupted: found.interrupted,
  };
}

function generationOf({ generation, best, mean, center }: SearchRecord, accuracy: number, skills: number): Generation {
  const rows = center.length / skills;
  const shares = Array.from({ length: skills }, (_, skill) => {
    const own = center.filter((_, i) => i % skills === skill);
    return own.reduce((sum, share) => sum + share, 0) / rows;
  });
  return { generation, accuracy, best, mean, shares };
}
