/** @file A quantised model's weights as the fp32 values that their codes stand for: products round no inputs then. */
import type { WeightSource } from "../../runtime/session.ts";
import { dequantizeWeight } from "./dequantize.ts";
import { storedWeights } from "./layout.ts";
import type { Quantizable } from "./quantize-model.ts";

/** The same values in four bytes each; a model that is not quantised comes back as it is. */
export async function widenQuantized<M extends Quantizable>(model: M): Promise<M> {
  const { config, quantization, weights: coded } = model;
  if (quantization === undefined) return model;
  const stored = storedWeights(config, quantization);
  const parts = new Set(stored.flatMap(({ tensors }) => tensors.map(({ name }) => name)));
  const weights: Record<string, WeightSource> = Object.fromEntries(
    Object.entries(coded).filter(([name]) => !parts.has(name)),
  );
  for (const weight of stored) {
    const { name, layout } = weight;
    weights[name] = layout === undefined ? coded[name]! : { kind: "data", data: await dequantizeWeight(weight, coded) };
  }
  return { ...model, weights, quantization: undefined };
}
