/** @file A model quantised in memory, one weight at a time. */
import { AppError } from "../base/errors.ts";
import { readWeight } from "../runtime/read-weight.ts";
import type { WeightSource } from "../runtime/session.ts";
import type { ModelConfig } from "./config.ts";
import { type Quantization, sourcesOf, storedWeights, storeWeight } from "./quantized-layout.ts";

/** What is needed of a model to quantise it. */
export type Quantizable = {
  readonly config: ModelConfig;
  readonly weights: Readonly<Record<string, WeightSource>>;
  readonly quantization?: Quantization | undefined;
};

/**
 * The same model over quantised weights, all in memory; what a weight was is let go before the next one is read. Its identity stays: it
 * takes the specialisations of the model it was made from.
 * @throws E_CONFIG where it is quantised already, E_NAN naming a weight that is not finite
 */
export async function quantizeModel<M extends Quantizable>(
  model: M,
  quantization: Quantization,
): Promise<M & { readonly quantization: Quantization }> {
  requirePlain(model);
  const stored = storedWeights(model.config, quantization);
  const names = new Set(stored.map(({ name }) => name));
  const weights = Object.fromEntries(Object.entries(model.weights).filter(([name]) => !names.has(name))); // rotary tables
  for (const weight of stored) {
    const values = await readWeight(model.weights[weight.name]!);
    for (const [name, source] of sourcesOf(
      weight,
      named(weight.name, () => storeWeight(weight, values)),
    ))
      weights[name] = source;
  }
  return { ...model, weights, quantization };
}

function requirePlain({ quantization }: Quantizable): void {
  if (quantization !== undefined)
    throw new AppError(
      "E_CONFIG",
      `the model is quantised to ${quantization.bits} bits already: quantise the one it was made from`,
    );
}

/** Names the weight in what goes wrong with its values. */
export function named<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof AppError) throw new AppError(error.code, `${name}: ${error.message}`, { cause: error });
    throw error;
  }
}
