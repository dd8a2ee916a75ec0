/** @file Adapters of random values for any model. */
import { createRng } from "../../src/base/rng.ts";
import type { LowRank } from "../../src/lora/low-rank.ts";
import type { LinearMap, ModelConfig } from "../../src/models/config.ts";
import { type GgufPlace, ggufPlaces } from "../../src/models/gguf/names.ts";
import { linearMaps, linearName, linearSize, ownMaps, parameterShapes } from "../../src/models/parameters.ts";

export type RandomAdapterOptions = {
  readonly seed?: number | string;
  readonly rank?: number;
  /** The change's size beside weights of standard deviation 1/√inputs. */
  readonly strength?: number;
  readonly targets?: readonly LinearMap[];
};

/** On every linear map unless told otherwise. Odd layers get one rank less, as where a gate is zero. */
export function randomAdapter(config: ModelConfig, options: RandomAdapterOptions = {}): Map<string, LowRank> {
  const { seed = 1, rank = 4, strength = 0.5, targets = linearMaps(config) } = options;
  const rng = createRng(`adapter ${seed}`);
  const adapter = new Map<string, LowRank>();
  for (let layer = 0; layer < config.layers; layer++)
    for (const target of ownMaps(config, layer, targets)) {
      const { inputs, outputs } = linearSize(config, target);
      const r = Math.max(1, rank - (layer % 2));
      const name = `${linearName(config, layer, target)}.weight`;
      adapter.set(name, {
        rank: r,
        inputs,
        outputs,
        a: rng.split(`${name} a`).fillNormal(new Float32Array(r * inputs), 1 / Math.sqrt(inputs)),
        b: rng.split(`${name} b`).fillNormal(new Float32Array(r * outputs), strength / Math.sqrt(r)),
      });
    }
  return adapter;
}

/** Every weight of a model with its shape: what an adapter is checked against. */
export const shapesOf = (config: ModelConfig): Map<string, readonly number[]> => parameterShapes(config);

/** The same with its place in a GGUF file. */
export const placesOf = (config: ModelConfig): Map<string, GgufPlace> => ggufPlaces(config);
