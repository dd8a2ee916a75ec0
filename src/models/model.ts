/** @file A model that was opened: its shape, its weights and where they are from. */
import type { WeightSource } from "../runtime/session.ts";
import type { ModelConfig } from "./config.ts";
import type { KeptBlocks } from "./frozen-model.ts";
import type { ResolvedQuantization } from "./quantized/layout.ts";

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
