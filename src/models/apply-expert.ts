/** @file A model with an expert of Transformer²: merged into plain weights, or as a low-rank adapter. */
import type { Adapter } from "../lora/low-rank.ts";
import type { WeightSource } from "../runtime/session.ts";
import { type Expert, requireModel } from "../svf/expert.ts";
import { type ExpertAdapter, type ExpertAdapterOptions, expertAdapter, expertChanges } from "../svf/expert-adapter.ts";
import { type Basis, openBasis, type SvdCacheOptions } from "../svf/svd-cache.ts";
import { scaledMaps, svdFolder, svdSource } from "./decomposable.ts";
import type { FrozenModel } from "./frozen-model.ts";
import { mergeAdapter } from "./merge-adapter.ts";
import type { Model } from "./model.ts";

export type CacheOptions = Partial<SvdCacheOptions>;

/**
 * The decompositions of the maps that an expert scales, made where they are missing.
 * @throws E_MISMATCH naming both hashes where the expert is for another model; and as `openBasis`
 */
export async function expertBasis(model: Model, expert: Expert, cache: CacheOptions = {}): Promise<Basis> {
  requireModel(expert, model.sha256, "expert");
  const source = svdSource(model, scaledMaps(model.config, expert.scales.keys()));
  return (await openBasis(source, { folder: svdFolder(model), ...cache })).basis;
}

/** The model as an expert leaves it, at base speed; one map in memory at a time beside the weights that change. Throws as `expertBasis`. */
export async function applyExpert(
  model: Model,
  expert: Expert,
  cache: CacheOptions = {},
): Promise<FrozenModel & { readonly weights: Record<string, WeightSource> }> {
  const basis = await expertBasis(model, expert, cache);
  const { config, weights } = model;
  return { config, weights: await mergeAdapter(weights, changes(expert, basis)) };
}

async function* changes(expert: Expert, basis: Basis) {
  for await (const { weight, change } of expertChanges(expert, basis)) yield [weight, change] as const;
}

/** An expert as an adapter for the exports, cut to a rank where one is given. Throws as `expertBasis`. */
export async function loraOfExpert(
  model: Model,
  expert: Expert,
  { rank, ...cache }: CacheOptions & ExpertAdapterOptions = {},
): Promise<ExpertAdapter & { readonly adapter: Adapter }> {
  return expertAdapter(expert, await expertBasis(model, expert, cache), { rank });
}
