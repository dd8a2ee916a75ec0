/** @file Skills of Transformer² as a pool: their factors mixed, then renormalised where they are. */
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { type CacheOptions, expertBasis } from "../models/apply-expert.ts";
import type { Model } from "../models/model.ts";
import { readWeight } from "../runtime/read-weight.ts";
import { combineExperts, type Expert, expertSize, multipliers } from "../svf/expert.ts";
import { expertFileName, writeExpert } from "../svf/expert-file.ts";
import type { Basis } from "../svf/svd-cache.ts";
import { svfAdaptation, svfSources } from "../train/svf-step.ts";
import {
  layerOf,
  type Named,
  openPool,
  type SkillPool,
  type Steered,
  type SteeredMap,
  steeredMaps,
} from "./skill-pool.ts";

/** Throws E_MISMATCH naming both hashes where a skill is for another model, and where some are renormalised and some are not; and as `openBasis`. */
export async function svfPool(
  model: Model,
  skills: readonly Named<Expert>[],
  classifier: Expert | undefined,
  cache: CacheOptions = {},
): Promise<SkillPool> {
  const experts = skills.map(({ skill }) => skill);
  mixtureOf(experts, () => experts.map(() => 1)); // refuses what does not mix
  return openPool({
    kind: "svf",
    layers: model.config.layers,
    skills,
    bytesOf: (expert) => 4 * expertSize(expert),
    steering: await steering(model, experts, cache),
    dispatching: classifier && (await steering(model, [classifier], cache))(),
    async save(directory, shares, madeBy) {
      await writeExpert(join(directory, expertFileName), {
        ...mixtureOf(experts, (weight) => shares[layerOf(weight)]!),
        madeBy,
      });
    },
  });
}

/**
 * Renormalised factors are mixed as in the paper, z = Σ α_k z_k: their common scale does not matter. Of others the changes are,
 * z = 1 + Σ α_k (z_k − 1): they need no weights that sum to 1.
 */
function mixtureOf(experts: readonly Expert[], shares: (weight: string) => readonly number[]): Expert {
  if (experts[0]?.renormalize !== true) return combineExperts(experts, shares, { of: "changes" });
  const mixed = combineExperts(experts, shares);
  const isNone = (weight: string) => shares(weight).every((share) => share === 0);
  return {
    ...mixed,
    scales: new Map([...mixed.scales].map(([weight, z]) => [weight, isNone(weight) ? z.fill(1) : z])),
  };
}

/** Makes changes that mix these experts; what they need is read once. */
async function steering(model: Model, experts: readonly Expert[], cache: CacheOptions): Promise<() => Steered> {
  const weights = new Set(experts.flatMap(({ scales }) => [...scales.keys()]));
  const all: Expert = {
    ...experts[0]!,
    scales: new Map([...weights].map((weight) => [weight, longest(experts, weight)])),
  };
  const basis: Basis = await expertBasis(model, all, cache);
  const rank = Math.max(...[...all.scales.values()].map(({ length }) => length));
  const shape = { basis, rank, form: "free" } as const;
  const { adapt } = svfAdaptation(shape);
  const maps = new Map<string, SteeredMap>();
  for (const [weight, file] of basis) {
    const s = await readWeight(file.sources.s);
    const z = all.scales.get(weight)!;
    if (z.length > s.length)
      throw new AppError("E_MISMATCH", `${weight}: expected at most ${s.length} factors, found ${z.length}`);
    const parts = experts.map((expert) => {
      const own = expert.scales.get(weight);
      return { ...expert, scales: new Map(own === undefined ? [] : [[weight, own]]) };
    });
    const name = weight.replace(/\.weight$/, "");
    maps.set(weight, {
      size: Math.min(rank, s.length),
      wrap: (plain, steering) => adapt({ [`${name}.z`]: steering })(name, plain, file.inputs, file.outputs),
      steer(values, shares) {
        const mixed = mixtureOf(parts, () => shares);
        values.fill(1);
        values.set(multipliers(mixed.scales.get(weight)!, s, mixed.renormalize));
      },
    });
  }
  return () => steeredMaps(maps, svfSources(shape));
}

const longest = (experts: readonly Expert[], weight: string): Float32Array =>
  experts.map(({ scales }) => scales.get(weight) ?? new Float32Array()).reduce((a, b) => (b.length > a.length ? b : a));
