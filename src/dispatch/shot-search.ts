/** @file A search by what candidates score on a few labelled examples: shares of skills, gates of experts. */
import { AppError } from "../base/errors.ts";
import { type Found, type Search, type SearchRecord, searchLoop } from "../train/search-loop.ts";
import { type ShotScore, shotReward } from "./shots.ts";

export type ShotSearch = Omit<Search, "score" | "elites" | "first"> & {
  /** How many examples a score is of. */
  readonly examples: number;
  readonly score: (candidate: readonly number[]) => Promise<ShotScore>;
  /** For the error where nothing can be chosen by: what is searched for, and what it is made of. */
  readonly what: { readonly candidates: string; readonly parts: string };
};

/** The best candidate of all generations so far. */
export type BestShot = {
  readonly candidate: readonly number[];
  readonly score: ShotScore;
  /** `shotReward` of the score. */
  readonly reward: number;
  readonly generation: number;
};

/** As in Transformer²'s published code: a fifth of the candidates is fitted to. */
const eliteShare = 0.2;

/**
 * The mean of the start is the first candidate of all, so that nothing worse is found.
 * @throws E_DATA where all candidates of the first generation score alike: there is nothing to choose by; and as `searchLoop`
 */
export async function searchShots(
  { examples, score, what, ...search }: ShotSearch,
  {
    signal,
    onGeneration,
  }: {
    readonly signal?: AbortSignal | undefined;
    readonly onGeneration?: (record: SearchRecord, best: BestShot) => void | Promise<void>;
  } = {},
): Promise<Omit<Found, "best"> & { readonly best: BestShot; readonly evaluations: number }> {
  const { start, population } = search;
  const seen = new Set<number>();
  let evaluations = 0;
  let leading: BestShot | undefined;
  let best: BestShot | undefined; // a generation that is interrupted does not count
  const found = await searchLoop(
    {
      ...search,
      first: [start.mean],
      elites: Math.max(1, Math.floor(eliteShare * population)),
      async score(candidate, { generation }) {
        const one = await score(candidate);
        const reward = shotReward(one, examples);
        evaluations++;
        if (generation === 0) seen.add(reward);
        if (leading === undefined || reward > leading.reward) leading = { candidate, score: one, reward, generation };
        return reward;
      },
    },
    {
      ...(signal === undefined ? {} : { signal }),
      async onGeneration(record) {
        if (seen.size === 1)
          throw new AppError(
            "E_DATA",
            `search: expected ${what.candidates} that differ in what they score, found ${[...seen][0]} for all ${population} of the first generation: the ${what.parts} do nothing on these examples`,
          );
        best = leading!;
        await onGeneration?.(record, best);
      },
    },
  );
  return { ...found, best: best!, evaluations };
}
