/** @file Rotary tables as weights of a model. */
import type { WeightSource } from "../runtime/session.ts";
import { architectures } from "./architectures/index.ts";
import type { ModelConfig } from "./config.ts";
import { ropeNames, ropeTables } from "./rope.ts";

/** Positions × head size that rotary tables are made for: 131,072 positions of 128. A context beyond it is used up to it. */
export const ropeLimit = 2 ** 24;

const isRotary = ({ modelType }: ModelConfig): boolean => architectures[modelType].positions === "rotary";

/** The configuration with the context that is used. */
export const withinRopeLimit = (config: ModelConfig): ModelConfig =>
  isRotary(config) ? { ...config, context: Math.min(config.context, Math.floor(ropeLimit / config.headDim)) } : config;

/**
 * The rotary tables of a model as frozen weights, made when first asked for: no tensor in a file vouches for their size.
 * None where positions are learned.
 */
export function ropeWeights(config: ModelConfig): Record<string, WeightSource> {
  if (!isRotary(config)) return {};
  let made: ReturnType<typeof ropeTables> | undefined;
  const table = (name: "cos" | "sin"): WeightSource => ({
    kind: "data",
    get data() {
      made ??= ropeTables(config);
      return made[name];
    },
  });
  return { [ropeNames.cos]: table("cos"), [ropeNames.sin]: table("sin") };
}
