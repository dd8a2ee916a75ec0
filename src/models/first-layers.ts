/** @file A model cut off behind some of its layers: the final norm follows the last that is left. */
import { AppError } from "../base/errors.ts";
import { architectures } from "./architectures/index.ts";
import type { FrozenModel } from "./frozen-model.ts";

/**
 * The model's first layers, as many as said, with the weights of those alone; null: all. Throws E_CONFIG for more than there are,
 * `what` naming who asked.
 */
export function firstLayers<M extends FrozenModel>(model: M, count: number | null, what: string): M {
  const { layers, modelType } = model.config;
  if (count === null || count === layers) return model;
  if (count > layers)
    throw new AppError("E_CONFIG", `${what}: expected at most the model's ${layers} layers, found ${count}`);
  const prefix = `${architectures[modelType].layers}.`;
  const isLeft = (name: string) => !name.startsWith(prefix) || Number.parseInt(name.slice(prefix.length), 10) < count;
  const weights = Object.fromEntries(Object.entries(model.weights).filter(([name]) => isLeft(name)));
  return { ...model, config: { ...model.config, layers: count }, weights };
}
