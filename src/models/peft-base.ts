/** @file A model as the base of a PEFT adapter, and as the adapter leaves it where its head and embedding become two weights. */
import { AppError } from "../base/errors.ts";
import type { PeftBase, PeftChange } from "../lora/fused.ts";
import { readWeight } from "../runtime/read-weight.ts";
import { applyAdapter } from "./apply-adapter.ts";
import { fusedWeights } from "./checkpoint.ts";
import type { FrozenModel, UnadaptedModel } from "./frozen-model.ts";
import { embeddingName, headName, parameterShapes } from "./parameters.ts";
import { bytesOfSource } from "./quantized/dequantize.ts";
import { storedWeights, storeWeight } from "./quantized/layout.ts";

/** The values of a quantised model are not to be had, but others can be compared with its codes. */
export function peftBaseOf({ config, weights, quantization }: FrozenModel): PeftBase {
  const shapes = parameterShapes(config);
  const fused = fusedWeights(config);
  if (quantization === undefined) {
    const valuesOf = (name: string) => readWeight(weights[name]!);
    return { shapes, fused, valuesOf, isSame: async (name, values) => isEqual(await valuesOf(name), values) };
  }
  const stored = new Map(storedWeights(config, quantization).map((weight) => [weight.name, weight]));
  return {
    shapes,
    fused,
    async valuesOf(name) {
      throw wholeOverCodes([name]);
    },
    async isSame(name, values) {
      const weight = stored.get(name)!;
      const codes = storeWeight(weight, values);
      for (const [i, { name: tensor }] of weight.tensors.entries()) {
        const { buffer, byteOffset, byteLength } = codes[i]!;
        if (!isEqual(await bytesOfSource(weights[tensor]!), new Uint8Array(buffer, byteOffset, byteLength)))
          return false;
      }
      return true;
    },
  };
}

const isEqual = (a: ArrayLike<number>, b: ArrayLike<number>): boolean => {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
};

/** The refusal of an adapter that is more than low-rank changes of linear maps, for a quantised model. */
export const wholeOverCodes = (names: readonly string[]): AppError =>
  new AppError(
    "E_CONFIG",
    `${names.slice(0, 10).join(", ")}: the adapter is more there than a low-rank change of a linear map, and the base model is quantised: merge it into the model that was quantised, and quantise the result`,
  );

/** The same model with a head of its own, which has the values of the embedding. */
export function untieHead<M extends FrozenModel>(model: M): M {
  const { config, weights } = model;
  if (!config.tied) return model;
  const table = weights[`${embeddingName(config)}.weight`]!;
  return { ...model, config: { ...config, tied: false }, weights: { ...weights, [`${headName}.weight`]: table } };
}

/** A model as an adapter leaves it: merged where its weights are dense, beside them where they are quantised. Throws E_CONFIG. */
export async function applyPeftChange(
  model: UnadaptedModel,
  { adapter, whole, untiesHead }: PeftChange,
): Promise<FrozenModel> {
  if (whole.size > 0 && model.quantization !== undefined) throw wholeOverCodes([...whole.keys()]);
  const { weights, ...rest } = await applyAdapter(untiesHead ? untieHead(model) : model, adapter);
  for (const [name, data] of whole) weights[name] = { kind: "data", data };
  return { ...rest, weights };
}
