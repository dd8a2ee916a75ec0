/** @file What a trained generator is, and how its tensors are checked. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { Sha256 } from "../base/sha256.ts";
import type { TensorInfo } from "../files/safetensors-header.ts";
import { GeneratorConfig } from "../generator/config.ts";
import { generatorBuffers, generatorFrozen, generatorParameters, type PairShape } from "../generator/parameters.ts";
import { requireFloats } from "../models/safetensors-weight.ts";

/** The frozen models a generator was trained over, by the hashes of their weights. */
const TrainedOver = z.strictObject({ cloud: Sha256, edge: Sha256 });
export type TrainedOver = z.infer<typeof TrainedOver>;

export const GeneratorFile = z.strictObject({
  format: z.literal("lora-gen generator 1"),
  generator: GeneratorConfig,
  /** Absent from generators that no training wrote. */
  trainedOver: TrainedOver.optional(),
});

export type Generator = {
  readonly config: GeneratorConfig;
  readonly tensors: ReadonlyMap<string, Float32Array>;
  readonly sha256: string;
  readonly trainedOver?: TrainedOver | undefined;
};

export const generatorFileNames = { config: "generator.json", weights: "model.safetensors" } as const;

/** Where a tensor's values lie: in a tensor of floats, or of codes beside the scales of its rows. */
export type StoredTensor = { readonly name: string; readonly scales?: string };

/** The name of the tensor that holds the scales of another's rows. */
export const scalesOf = (name: string): string => `${name}.scales`;

/** Throws E_SHAPE or E_DTYPE where there are neither floats, nor codes and the scales of their rows. */
export function storedTensor(
  path: string,
  tensors: ReadonlyMap<string, TensorInfo>,
  name: string,
  shape: readonly number[],
): StoredTensor {
  const info = requireShape(path, tensors, name, shape);
  if (info.dtype !== "I8" || shape.length < 2) {
    requireFloats(path, info);
    return { name };
  }
  requireFloats(path, requireShape(path, tensors, scalesOf(name), shape.slice(0, -1)));
  return { name, scales: scalesOf(name) };
}

function requireShape(
  path: string,
  tensors: ReadonlyMap<string, TensorInfo>,
  name: string,
  shape: readonly number[],
): TensorInfo {
  const info = tensors.get(name);
  if (info !== undefined && String(info.shape) === String(shape)) return info;
  const found = info === undefined ? "none" : `[${info.shape}]`;
  throw new AppError("E_SHAPE", `${path}: "${name}" should be [${shape}], found ${found}`);
}

/** The tensors a generator of this shape has. Throws E_SHAPE naming the first that is missing or of another shape, E_DTYPE one of another type. */
export const generatorTensors = (
  path: string,
  tensors: ReadonlyMap<string, TensorInfo>,
  shape: PairShape,
): StoredTensor[] =>
  [...generatorParameters(shape), ...generatorBuffers(shape), ...generatorFrozen(shape)].map(([name, { shape }]) =>
    storedTensor(path, tensors, name, shape),
  );

/** What to tell a user where a generator meets other weights than it was trained over: one line per model. */
export function foreignModels(
  { trainedOver }: Pick<Generator, "trainedOver">,
  found: { readonly cloud?: { readonly sha256: string }; readonly edge: { readonly sha256: string } },
): string[] {
  return (["cloud", "edge"] as const).flatMap((part) => {
    const [wanted, has] = [trainedOver?.[part], found[part]?.sha256];
    if (wanted === undefined || has === undefined || wanted === has) return [];
    return [
      `the generator was trained over the ${part} model ${wanted}, but this pair's is ${has}: answers may be wrong`,
    ];
  });
}
