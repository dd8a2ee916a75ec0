/** @file An adapter merged into quantised weights: the sum is quantised again, in the same way. */
import { requireRunning } from "../../base/interrupt.ts";
import type { WeightSource } from "../../runtime/session.ts";
import type { FrozenModel } from "../frozen-model.ts";
import { mergeAdapter } from "../merge-adapter.ts";
import { dequantizeWeight } from "./dequantize.ts";
import { sourcesOf, storedWeights, storeWeight } from "./layout.ts";

export type RequantizeOptions = {
  /** Looked at before every weight. */
  readonly signal?: AbortSignal | undefined;
};

/**
 * The same model with its adapter in the codes of the weights it adapts: no further operations at inference, at the price of rounding
 * them anew. One weight is unfolded at a time. Without an adapter, or where nothing is quantised, the model comes back as it is.
 * @throws E_INTERRUPTED
 */
export async function requantize(model: FrozenModel, { signal }: RequantizeOptions = {}): Promise<FrozenModel> {
  const { config, quantization, adapter, weights: base } = model;
  if (quantization === undefined || adapter === undefined) return model;
  const weights: Record<string, WeightSource> = { ...base };
  for (const weight of storedWeights(config, quantization)) {
    const change = adapter.get(weight.name);
    if (change === undefined || change.rank === 0) continue;
    requireRunning(signal);
    const dense: WeightSource = { kind: "data", data: await dequantizeWeight(weight, base) };
    const merged = await mergeAdapter({ [weight.name]: dense }, new Map([[weight.name, change]]));
    const values = (merged[weight.name] as { readonly data: Float32Array }).data;
    for (const [name, source] of sourcesOf(weight, storeWeight(weight, values))) weights[name] = source;
  }
  return { config, quantization, weights };
}
