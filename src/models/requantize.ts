/** @file An adapter merged into quantised weights: the sum is quantised again, in the same way. */
import { dequantizeBlocks } from "../nn/quantize.ts";
import { readBytes } from "../runtime/mapped-or-held.ts";
import type { WeightSource } from "../runtime/session.ts";
import type { FrozenModel } from "./frozen-model.ts";
import { mergeAdapter } from "./merge-adapter.ts";
import { type StoredWeight, sourcesOf, storedWeights, storeWeight } from "./quantized-layout.ts";

/**
 * The same model with its adapter in the codes of the weights it adapts: no further operations at inference, at the price of rounding
 * them anew. One weight is unfolded at a time. Without an adapter, or where nothing is quantised, the model comes back as it is.
 */
export async function requantize(model: FrozenModel): Promise<FrozenModel> {
  const { config, quantization, adapter, weights: base } = model;
  if (quantization === undefined || adapter === undefined) return model;
  const weights: Record<string, WeightSource> = { ...base };
  for (const weight of storedWeights(config, quantization)) {
    const change = adapter.get(weight.name);
    if (change === undefined || change.rank === 0) continue;
    const dense: WeightSource = { kind: "data", data: await dequantized(weight, base) };
    const merged = await mergeAdapter({ [weight.name]: dense }, new Map([[weight.name, change]]));
    const values = (merged[weight.name] as { readonly data: Float32Array }).data;
    for (const [name, source] of sourcesOf(weight, storeWeight(weight, values))) weights[name] = source;
  }
  return { config, quantization, weights };
}

async function dequantized(
  { name, shape, layout, tensors }: StoredWeight,
  weights: FrozenModel["weights"],
): Promise<Float32Array> {
  if (layout === undefined) throw new Error(`internal: ${name} is not quantised`);
  const [packed, scales, zeros] = await Promise.all(tensors.map((tensor) => bytesOf(weights[tensor.name]!)));
  const [outputs, inputs] = shape as readonly [number, number];
  const blocks = { packed: packed!, scales: new Float32Array(scales!.slice().buffer), zeros };
  return dequantizeBlocks(blocks, outputs, inputs, layout);
}

async function bytesOf(source: WeightSource): Promise<Uint8Array> {
  if (source.kind === "file") return readBytes(source);
  const { buffer, byteOffset, byteLength } = source.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
