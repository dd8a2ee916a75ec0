/** @file Keys of the configuration that change nothing beside the others, so that a run is not begun with them. */
import { defaultGenerator, type GeneratorConfig } from "./config.ts";

/** What belongs to gates over a pool: a direct generator has neither. */
const poolKeys = [
  "experts",
  "topK",
  "compose",
  "poolScope",
  "routerScope",
  "routerNorm",
  "routerNormScope",
  "routerMomentum",
  "strategy",
  "gumbelNoise",
  "renormalize",
  "annealSteps",
  "auxForm",
  "auxCoefficient",
] as const satisfies readonly (keyof GeneratorConfig)[];

/** The keys with another value than their default that have no effect. Spelling out a default changes nothing either way. */
export const unusedKeys = (config: GeneratorConfig): string[] =>
  config.generation === "pool" ? [] : poolKeys.filter((key) => config[key] !== defaultGenerator[key]);
