/** @file Exports of what changes nothing are errors. */
import { AppError } from "../base/errors.ts";
import type { Adapter } from "../lora/low-rank.ts";
import { type FrozenModel, isCoded } from "../models/frozen-model.ts";
import { mergeAdapter } from "../models/merge-adapter.ts";
import { parameterShapes } from "../models/parameters.ts";
import { dequantizeWeight } from "../models/quantized/dequantize.ts";
import { quantizedLayout, type StoredWeight, weightsHeldAs } from "../models/quantized/layout.ts";
import type { WeightSource } from "../runtime/session.ts";
import { allOf, isUnchanged, roundAdapter } from "./as-stored.ts";
import type { ExportContext, ExportFormat, TypeOfWeight, WeightType } from "./format.ts";

/** In which type each merged weight is stored; of a format of adapters the type of the adapter. */
export const storedTypes = async (
  format: ExportFormat,
  context: ExportContext,
  type: WeightType,
): Promise<TypeOfWeight> => (await format.typeOfWeights?.(context)) ?? allOf(type);

/** Throws E_MISMATCH where no weight is another one, as it is stored. */
export async function requireChange(format: ExportFormat, context: ExportContext, type: WeightType): Promise<void> {
  const { base, merged, adapter } = context;
  if (isCoded(base)) return requireChangeBeside(base, adapter, type);
  const typeOf = await storedTypes(format, context, type);
  const shapes = parameterShapes(base.config);
  for (const [name, shape] of shapes)
    if (!(await isUnchanged(base.weights[name]!, merged.weights[name]!, typeOf(name, shape)))) return;
  throw changesNothing(adapter, type);
}

/** The same for an adapter that stays beside codes: the adapter is rounded, what it is added to is not. */
async function requireChangeBeside(base: FrozenModel, adapter: Adapter, type: WeightType): Promise<void> {
  const rounded = roundAdapter(adapter, type);
  for (const weight of adaptedWeights(base, adapter)) {
    const { name, layout } = weight;
    const before: WeightSource =
      layout === undefined ? base.weights[name]! : { kind: "data", data: await dequantizeWeight(weight, base.weights) };
    const after = await mergeAdapter({ [name]: before }, oneOf(rounded, weight));
    if (!(await isUnchanged(before, after[name]!, "f32"))) return;
  }
  throw changesNothing(adapter, type);
}

/** The weights of a model of codes that an adapter changes; some may be held dense beside them. */
export function adaptedWeights({ config, quantization, blocks }: FrozenModel, adapter: Adapter): StoredWeight[] {
  const layoutOf =
    quantization === undefined
      ? (name: string) => blocks?.get(`${name}.weight`)
      : quantizedLayout(config, quantization);
  return weightsHeldAs(config, layoutOf).filter(({ name }) => (adapter.get(name)?.rank ?? 0) > 0);
}

const oneOf = (adapter: Adapter, { name }: StoredWeight): Adapter => new Map([[name, adapter.get(name)!]]);

export const changesNothing = ({ size }: Adapter, stored: string): AppError =>
  new AppError(
    "E_MISMATCH",
    `the merge changes no weight: expected an adapter that does${stored === "f32" ? "" : ` in ${stored}`}, found one that leaves all ${size} as they are`,
  );
