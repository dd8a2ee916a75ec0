/** @file A model that was opened: its shape, its weights and where they are from; and one whose files are in memory. */
import type { SafetensorsBytes } from "../files/safetensors-bytes.ts";
import type { WeightSource } from "../runtime/session.ts";
import type { ModelConfig } from "./config.ts";
import type { KeptBlocks } from "./frozen-model.ts";
import { parameterShapes } from "./parameters.ts";
import type { ResolvedQuantization } from "./quantized/layout.ts";
import { ropeWeights, withinRopeLimit } from "./rope.ts";
import { requireWeight } from "./safetensors-weight.ts";

export type Model = {
  readonly directory: string;
  readonly config: ModelConfig;
  readonly weights: Readonly<Record<string, WeightSource>>;
  /** Of all weight files, in order: the identity of the weights. A quantised directory has that of the model it was made from. */
  readonly sha256: string;
  /** Of a quantised directory's own weight files. */
  readonly weightsSha256?: string | undefined;
  readonly parameterCount: number;
  /** How its weights are quantised; undefined: they are not. */
  readonly quantization?: ResolvedQuantization | undefined;
  /** Those weights that are held in the blocks of the GGUF file they are from; undefined: none. */
  readonly blocks?: KeptBlocks | undefined;
  /** How its weights were quantised before they were widened again. */
  readonly widenedFrom?: ResolvedQuantization | undefined;
};

/** A model whose files are in memory: all weights as fp32. Throws E_FORMAT, E_SHAPE, E_DTYPE: naming the file and the tensor. */
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
