/** @file A model quantised in memory, one weight at a time. */
import { readWeight } from "../../runtime/read-weight.ts";
import type { WeightSource } from "../../runtime/session.ts";
import type { ModelConfig } from "../config.ts";
import {
  type Quantization,
  type ResolvedQuantization,
  requireQuantization,
  resolveQuantization,
  sourcesOf,
  storedWeights,
  storeWeight,
} from "./layout.ts";

/** What is needed of a model to quantise it. */
export type Quantizable = {
  readonly config: ModelConfig;
  readonly weights: Readonly<Record<string, WeightSource>>;
  readonly quantization?: Quantization | undefined;
};

/**
 * The same model over quantised weights, all in memory; what a weight was is let go before the next one is read. Its identity stays: it
 * takes the specialisations of the model it was made from. One that is quantised as asked for already keeps its own size of blocks.
 * @throws E_CONFIG where it is quantised already in another way, E_NAN naming a weight that is not finite
 */
export async function quantizeModel<M extends Quantizable>(
  model: M,
  quantization: Quantization,
): Promise<M & { readonly quantization: ResolvedQuantization }> {
  if (model.quantization !== undefined) {
    const held = resolveQuantization(model.config, model.quantization);
    requireQuantization("the model", held, quantization);
    return { ...model, quantization: held };
  }
  const stored = storedWeights(model.config, quantization);
  const names = new Set(stored.map(({ name }) => name));
  const weights = Object.fromEntries(Object.entries(model.weights).filter(([name]) => !names.has(name))); // rotary tables
  for (const weight of stored) {
    const values = await readWeight(model.weights[weight.name]!);
    for (const [name, source] of sourcesOf(weight, storeWeight(weight, values))) weights[name] = source;
  }
  return { ...model, weights, quantization: resolveQuantization(model.config, quantization) };
}
