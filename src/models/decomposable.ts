/** @file The linear maps of a model that can be decomposed, and where their decompositions are kept. */
import { dirname, join } from "node:path";
import { AppError } from "../base/errors.ts";
import type { SvdSource } from "../svf/svd-cache.ts";
import type { SvfMap } from "../svf/svd-file.ts";
import type { LinearMap, ModelConfig } from "./config.ts";
import { feedForwardMaps } from "./config-keys.ts";
import { isCoded } from "./frozen-model.ts";
import type { Model } from "./model.ts";
import { layerMaps, linearName, linearSize } from "./parameters.ts";

export const mapGroups = ["feed-forward", "attention", "both"] as const;
/** Which maps of each layer. */
export type MapGroup = (typeof mapGroups)[number];

const isIn = (group: MapGroup, map: LinearMap): boolean =>
  group === "both" || feedForwardMaps.includes(map) === (group === "feed-forward");

/** The maps of a group, in the order of the layers. */
export function svfMaps(config: ModelConfig, group: MapGroup): SvfMap[] {
  return Array.from({ length: config.layers }, (_, layer) =>
    layerMaps(config, layer)
      .filter((map) => isIn(group, map))
      .map((map) => ({ weight: `${linearName(config, layer, map)}.weight`, ...linearSize(config, map) })),
  ).flat();
}

/** Throws E_CONFIG for a model whose weights are codes: their products are not those of its singular values. */
export function svdSource(model: Model, maps: readonly SvfMap[]): SvdSource {
  if (isCoded(model))
    throw new AppError(
      "E_CONFIG",
      `${model.directory}: its weights are quantised; expected the model that it was made from, or its weights widened`,
    );
  return { sha256: model.sha256, weights: model.weights, maps };
}

/** Those maps of a model that an expert scales. Throws E_MISMATCH naming the first that the model does not have. */
export function scaledMaps(config: ModelConfig, weights: Iterable<string>): SvfMap[] {
  const known = new Map(svfMaps(config, "both").map((map) => [map.weight, map]));
  return [...weights].map((weight) => {
    const map = known.get(weight);
    if (map === undefined) throw new AppError("E_MISMATCH", `${weight}: the model has no such linear map`);
    return map;
  });
}

/** Beside the model, unless another place is named. */
export const svdFolder = ({ directory }: Pick<Model, "directory">): string =>
  join(directory.endsWith(".gguf") ? dirname(directory) : directory, ".lora-gen-svd");
