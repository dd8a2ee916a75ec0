/** @file Models whose layers do not read all positions: what their caches may forget. */
import type { ModelConfig } from "../../src/models/config.ts";

const shape = { layers: 3, context: 2048, headDim: 8 } as const;

/** By name, as changes of a random model. */
export const nearModels: readonly (readonly [string, Partial<ModelConfig>])[] = [
  ["windows of 20 and of 7", { ...shape, modelType: "mistral", windows: [20, 0, 7] }],
  ["convolutions", { ...shape, modelType: "lfm2", convolution: { width: 3, layers: [true, false, true] } }],
];
