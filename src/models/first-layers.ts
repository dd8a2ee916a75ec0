/** @file A model cut off behind some of its layers: the final norm follows the last that is left. */
import { AppError } from "../base/errors.ts";
import { architectures } from "./architectures/index.ts";
import type { ModelConfig } from "./config.ts";
import type { FrozenModel } from "./frozen-model.ts";

/** The configuration of its first layers, as many as said; null: all. Throws E_CONFIG for more than there are, `what` naming who asked. */
export function firstLayersConfig(config: ModelConfig, count: number | null, what: string): ModelConfig {
  if (count === null || count === config.layers) return config;
  if (count > config.layers)
    throw new AppError("E_CONFIG", `${what}: expected at most the model's ${config.layers} layers, found ${count}`);
  return { ...config, layers: count };
}

/** The model's first layers, with the weights of those alone. Throws E_CONFIG as `firstLayersConfig`. */
export function firstLayers<M extends FrozenModel>(model: M, count: number | null, what: string): M {
  const config = firstLayersConfig(model.config, count, what);
  if (config === model.config) return model;
  const prefix = `${architectures[config.modelType].layers}.`;
  const isLeft = (name: string) =>
    !name.startsWith(prefix) || Number.parseInt(name.slice(prefix.length), 10) < config.layers;
  const weights = Object.fromEntries(Object.entries(model.weights).filter(([name]) => isLeft(name)));
  return { ...model, config, weights };
}
