/** @file How a run holds its frozen models, by the names that its `weights` key uses. */
import type { OpenOptions } from "../models/model-file.ts";
import { quantizations } from "../models/quantized/layout.ts";
import type { FrozenWeights } from "./config.ts";

/** `f32`: as they are, blocks widened; `blocks`: in the blocks of their GGUF file; else quantised when the run begins. */
export function openingOf(held: FrozenWeights): OpenOptions {
  if (held === "f32") return {};
  return held === "blocks" ? { keepBlocks: true } : { quantize: quantizations[held] };
}
