/** @file A merged model as its reader should find it: every weight rounded to the type it is stored in. */
import { type GgufTensorType, ggufTypes } from "../files/gguf/types.ts";
import type { Adapter } from "../lora/low-rank.ts";
import { applyAdapter } from "../models/apply-adapter.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { parameterShapes } from "../models/parameters.ts";
import { readWeight } from "../runtime/read-weight.ts";
import type { WeightSource } from "../runtime/session.ts";
import type { ExportContext, ExportFormat, TypeOfWeight, WeightType } from "./format.ts";

const codecs = { f16: "F16", bf16: "BF16", q8_0: "Q8_0" } as const satisfies Readonly<
  Partial<Record<WeightType, GgufTensorType>>
>;

/** What a type makes of values: written and read again. Those of q8_0 are whole blocks of 32. */
export function roundTo(type: WeightType, values: Float32Array): Float32Array {
  if (type === "f32") return values;
  const { encode, decode } = ggufTypes[codecs[type]];
  const out = new Float32Array(values.length);
  decode(encode!(values), out);
  return out;
}

/** What a reader of the export should find: the weights, or the adapter, rounded; those that rounding leaves alone are the same objects. */
export async function modelAsStored(format: ExportFormat, context: ExportContext): Promise<FrozenModel> {
  const { base, adapter, merged, type = "f32" } = context;
  if (format.typeOfWeights === undefined)
    return type === "f32" ? merged : applyAdapter(base, roundAdapter(adapter, type));
  const typeOf = await format.typeOfWeights(context);
  const weights: Record<string, WeightSource> = { ...merged.weights };
  for (const [name, shape] of parameterShapes(merged.config))
    weights[name] = await roundWeight(weights[name]!, typeOf(name, shape));
  return { config: merged.config, weights };
}

async function roundWeight(source: WeightSource, type: WeightType): Promise<WeightSource> {
  if (type === "f32") return source;
  const values = await readWeight(source);
  const data = roundTo(type, values);
  return isSame(values, data) ? source : { kind: "data", data };
}

/** An adapter with its factors rounded to a type. */
export const roundAdapter = (adapter: Adapter, type: WeightType): Adapter =>
  new Map(
    [...adapter].map(([name, change]) => [name, { ...change, a: roundTo(type, change.a), b: roundTo(type, change.b) }]),
  );

/** Whether a weight of the base model and its merged one, stored in a type, are the same. */
export async function isUnchanged(before: WeightSource, after: WeightSource, type: WeightType): Promise<boolean> {
  if (before === after) return true;
  return isSame(roundTo(type, await readWeight(before)), roundTo(type, await readWeight(after)));
}

const isSame = (a: Float32Array, b: Float32Array): boolean => a.every((value, i) => value === b[i]);

/** All weights in one type. */
export const allOf =
  (type: WeightType): TypeOfWeight =>
  () =>
    type;
