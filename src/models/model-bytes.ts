/** @file A model whose files are in memory: its shape and its weights. */
import type { SafetensorsBytes } from "../files/safetensors-bytes.ts";
import type { WeightSource } from "../runtime/session.ts";
import type { ModelConfig } from "./config.ts";
import { parameterShapes } from "./parameters.ts";
import { ropeWeights, withinRopeLimit } from "./rope.ts";
import { requireWeight } from "./safetensors-weight.ts";

/** All weights as fp32. Throws E_FORMAT, E_SHAPE, E_DTYPE: naming the file and the tensor. */
export function modelFromBytes(
  claimed: ModelConfig,
  file: SafetensorsBytes,
): { readonly config: ModelConfig; readonly weights: Readonly<Record<string, WeightSource>> } {
  const config = withinRopeLimit(claimed);
  const weights: Record<string, WeightSource> = ropeWeights(config);
  for (const [name, shape] of parameterShapes(config)) {
    requireWeight(file.path, file.tensors.get(name), name, shape);
    weights[name] = { kind: "data", data: file.floats(name) };
  }
  return { config, weights };
}
