/** @file A model with an adapter: merged where its weights are dense, beside them where they are quantised. */
import type { Adapter } from "../lora/low-rank.ts";
import type { CompileOptions, WeightSource } from "../runtime/session.ts";
import { type FrozenModel, isCoded, type UnadaptedModel } from "./frozen-model.ts";
import { mergeAdapter } from "./merge-adapter.ts";

/**
 * Dense weights become merged ones. Quantised weights stay as they are, for merging would round them anew: the change is added beside each
 * product. The record of weights is a new one, its entries may be deleted.
 */
export async function applyAdapter(
  { config, weights, quantization, blocks }: UnadaptedModel,
  adapter: Adapter,
  options: Pick<CompileOptions, "device"> = {},
): Promise<FrozenModel & { readonly weights: Record<string, WeightSource> }> {
  if (!isCoded({ quantization, blocks })) return { config, weights: await mergeAdapter(weights, adapter, options) };
  return { config, weights: { ...weights }, quantization, blocks, adapter };
}
