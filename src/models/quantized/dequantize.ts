/** @file What the codes of a quantised model's weight stand for. */
import { dequantizeBlocks, type QuantizedBlocks } from "../../nn/quantize.ts";
import { readValues } from "../../runtime/read-weight.ts";
import type { WeightSource } from "../../runtime/session.ts";
import type { FrozenModel } from "../frozen-model.ts";
import type { StoredWeight } from "./layout.ts";

/** The values of a quantised weight. */
export async function dequantizeWeight(
  { name, shape, layout, tensors }: StoredWeight,
  weights: FrozenModel["weights"],
): Promise<Float32Array> {
  if (layout === undefined) throw new Error(`internal: ${name} is not quantised`);
  const bytes = await Promise.all(tensors.map((tensor) => bytesOfSource(weights[tensor.name]!)));
  const part = (name: keyof QuantizedBlocks) => bytes[tensors.findIndex((tensor) => tensor.name.endsWith(`.${name}`))];
  const floats = (values: Uint8Array) => new Float32Array(values.slice().buffer);
  const [packed, scales, zeros, offsets] = [part("packed")!, part("scales")!, part("zeros"), part("offsets")];
  const [outputs, inputs] = shape as readonly [number, number];
  const blocks = { packed, scales: floats(scales), zeros, offsets: offsets && floats(offsets) };
  return dequantizeBlocks(blocks, outputs, inputs, layout);
}

/** A tensor's bytes as a session takes them. */
export async function bytesOfSource(source: WeightSource): Promise<Uint8Array> {
  const { buffer, byteOffset, byteLength } = await readValues(source);
  return new Uint8Array(buffer, byteOffset, byteLength);
}
