/** @file The edge model of a pair, specialised: merged where its weights are dense, with the LoRA beside them where they are quantised. */
import type { FrozenModel } from "../models/frozen-model.ts";
import { assembleLora, type MergeOptions, merge } from "./merge.ts";
import type { EdgePair } from "./pair-format.ts";
import type { Specialization } from "./specialization-format.ts";

/**
 * Dense weights become merged ones. Quantised weights stay as they are, for merging would round them anew: the change of rank K·r is
 * added beside each product.
 * @throws E_MISMATCH where the specialisation was made for another pair
 */
export async function specializedEdge(
  pair: EdgePair,
  specialization: Specialization,
  options: MergeOptions = {},
): Promise<FrozenModel> {
  const { config, weights, quantization } = pair.edge;
  if (quantization === undefined) return { config, weights: (await merge(pair, specialization, options)).weights };
  return { config, weights, quantization, adapter: assembleLora(pair, specialization, options) };
}
