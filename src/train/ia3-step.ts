/** @file IA³ (Liu et al. 2022) as what is trained: a factor for each number that a map gives, in the feed-forward block for each that it reads. */
import { AppError } from "../base/errors.ts";
import type { ExpertTarget } from "../generator/config.ts";
import { mul } from "../graph/build.ts";
import type { Ia3Factors } from "../lora/ia3-format.ts";
import type { ModelConfig } from "../models/config.ts";
import { linearName, linearSize, ownMaps, requireMaps } from "../models/parameters.ts";
import type { Adaptation } from "./adapted-step.ts";

export type Ia3Shape = { readonly edge: ModelConfig; readonly targets: readonly ExpertTarget[] };

/** The map whose inputs are the feed-forward block's inner activations. */
const sideOf = (target: ExpertTarget): Ia3Factors["side"] => (target === "down" ? "inputs" : "outputs");
const parameterName = (map: string): string => `${map}.ia3_l`;

/** Throws E_CONFIG for targets that the model does not have, and for outputs behind a bias: PEFT's factors multiply it too. */
function mapsOf({ edge, targets }: Ia3Shape) {
  requireMaps(edge, targets);
  const biased = targets.find((target) => sideOf(target) === "outputs" && edge.biased.includes(target));
  if (biased !== undefined)
    throw new AppError(
      "E_CONFIG",
      `targets: ${biased}: has a bias, which IA³ would scale too; that is not trained here`,
    );
  return Array.from({ length: edge.layers }, (_, layer) =>
    ownMaps(edge, layer, targets).map((target) => ({
      map: linearName(edge, layer, target),
      side: sideOf(target),
      size: linearSize(edge, target)[sideOf(target)],
    })),
  ).flat();
}

export function ia3Adaptation(shape: Ia3Shape): Adaptation {
  const maps = new Map(mapsOf(shape).map(({ map, ...rest }) => [map, rest]));
  return {
    parameters: new Map([...maps].map(([map, { size }]) => [parameterName(map), { shape: [size], start: "one" }])),
    adapt: (parameters) => (name, plain) => {
      const found = maps.get(name);
      if (found === undefined) return plain;
      const factors = parameters[parameterName(name)]!;
      return found.side === "inputs" ? (x) => plain(mul(x, factors)) : (x) => mul(plain(x), factors);
    },
  };
}

export const trainedIa3 = (shape: Ia3Shape, values: ReadonlyMap<string, Float32Array>): Map<string, Ia3Factors> =>
  new Map(mapsOf(shape).map(({ map, side }) => [`${map}.weight`, { side, values: values.get(parameterName(map))! }]));
