/** @file Measures which prompts a generator knows, on prompts that it was trained on and others of the same kinds. */
import { AppError } from "../base/errors.ts";
import type { Rng } from "../base/rng.ts";
import { type KnownPrompts, stateDistance } from "../pair/known-prompts.ts";
import { decompose } from "../svf/svd.ts";

/**
 * `components`: principal components that have a variance each. `prompts`, `validationPrompts`: how many are read unless told otherwise.
 * `beyond`: the largest share of validation prompts that is flagged. `fewest`: of either, below which a spread or quantile means nothing.
 */
export const knownPromptsDefaults = {
  components: 16,
  prompts: 400,
  validationPrompts: 250,
  beyond: 0.02,
  fewest: 50,
} as const;

/** Half-way up, the cloud model's states tell kinds of texts apart best: see docs/experiments.md. */
export const knownPromptsLayer = ({ layers }: { readonly layers: number }): number =>
  Math.max(1, Math.round(layers / 2));

/** As many different prompts, drawn at random. Throws E_DATA for fewer than can be measured. */
export function drawPrompts(what: string, prompts: readonly string[], count: number, rng: Rng): string[] {
  const different = [...new Set(prompts)];
  if (different.length < knownPromptsDefaults.fewest)
    throw new AppError(
      "E_DATA",
      `${what}: expected at least ${knownPromptsDefaults.fewest} different prompts, found ${different.length}`,
    );
  return rng.shuffle(different).slice(0, count);
}

export type FitOptions = {
  readonly layer: number;
  readonly generatorSha256: string;
  readonly cloudSha256: string;
  readonly components?: number;
  /** The largest share; what is counted in the end is at most this. */
  readonly beyond?: number;
};

/**
 * From the states of training prompts and of validation prompts: where the former lie, and the distance that all but a share `beyond` of
 * the latter keep.
 * @throws E_NAN where states or distances are not finite, E_DATA where training prompts do not differ, or validation prompts lie
 * at their mean
 */
export function fitKnownPrompts(
  states: readonly Float32Array[],
  validation: readonly Float32Array[],
  {
    layer,
    generatorSha256,
    cloudSha256,
    components: most = knownPromptsDefaults.components,
    beyond: atMost = knownPromptsDefaults.beyond,
  }: FitOptions,
): KnownPrompts {
  const count = states.length;
  const width = states[0]!.length;
  const mean = Float32Array.from(
    { length: width },
    (_, i) => states.reduce((sum, state) => sum + state[i]!, 0) / count,
  );
  const centred = Float32Array.from({ length: count * width }, (_, at) => {
    const i = at % width;
    return states[(at - i) / width]![i]! - mean[i]!;
  });
  const { s, v } = decompose(centred, count, width);
  const variances = Array.from(s, (value) => value ** 2 / count);
  // Some directions must stay for the one variance of all others, and it must be above 0.
  const kept = Math.min(most, Math.floor(Math.min(count, width) / 2));
  const otherVariance = variances.slice(kept).reduce((sum, value) => sum + value, 0) / (width - kept);
  if (!(otherVariance > 0))
    throw new AppError("E_DATA", "known prompts: expected prompts whose states differ, found the same again and again");
  const spread = {
    mean,
    components: Array.from({ length: kept }, (_, k) => v.slice(k * width, (k + 1) * width)),
    variances: variances.slice(0, kept),
    otherVariance,
  };
  const distances = validation.map((state) => stateDistance(spread, state)).sort((a, b) => a - b);
  if (!distances.every(Number.isFinite))
    throw new AppError("E_NAN", "known prompts: distances of validation prompts are not finite");
  const threshold = distances[Math.max(0, Math.ceil(distances.length * (1 - atMost)) - 1)] ?? 0;
  if (!(threshold > 0))
    throw new AppError(
      "E_DATA",
      `known prompts: expected validation prompts away from the training's mean, found a distance of ${threshold} to warn beyond`,
    );
  return {
    layer,
    ...spread,
    threshold,
    prompts: count,
    validationPrompts: validation.length,
    beyond: distances.filter((distance) => distance > threshold).length / distances.length,
    generatorSha256,
    cloudSha256,
  };
}
