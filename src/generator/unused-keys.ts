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
  "routerStatistics",
  "strategy",
  "gumbelNoise",
  "renormalize",
  "annealSteps",
  "auxForm",
  "auxCoefficient",
] as const satisfies readonly (keyof GeneratorConfig)[];

/** What belongs to LoRAs: factors of singular values have neither an order of mixing nor a scale, and each map has its own. */
const loraKeys = ["alpha", "compose", "poolScope"] as const satisfies readonly (keyof GeneratorConfig)[];

/** What belongs to BatchNorm. */
const statisticsKeys = ["routerMomentum", "routerStatistics"] as const satisfies readonly (keyof GeneratorConfig)[];

/** What belongs to probabilities, of which K are kept: signed coefficients are all in use. */
const softmaxKeys = [
  "topK",
  "gumbelNoise",
  "renormalize",
  "annealSteps",
] as const satisfies readonly (keyof GeneratorConfig)[];

/**
 * The keys with another value than their default that have no effect, and beside what. Spelling out a default changes nothing either
 * way.
 */
export function unusedKeys(config: GeneratorConfig): { readonly key: string; readonly beside: string }[] {
  const idle = (keys: readonly (keyof GeneratorConfig)[], beside: string) =>
    keys.filter((key) => config[key] !== defaultGenerator[key]).map((key) => ({ key, beside }));
  const softmax = () => (config.strategy === "linear" ? idle(softmaxKeys, "strategy is linear") : []);
  const statistics = () => {
    const { routerNorm, routerStatistics } = config;
    if (routerNorm === "layer" || routerNorm === "none") return idle(statisticsKeys, `routerNorm is ${routerNorm}`);
    return routerStatistics === "running" ? idle(["routerMomentum"], "routerStatistics is running") : [];
  };
  const byGeneration: { readonly [G in GeneratorConfig["generation"]]: () => ReturnType<typeof idle> } = {
    direct: () => idle(poolKeys, "generation is direct"),
    pool: () => [...softmax(), ...statistics()],
    svf: () => [...idle(loraKeys, "generation is svf"), ...softmax(), ...statistics()],
  };
  return byGeneration[config.generation]();
}
