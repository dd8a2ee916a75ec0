/** @file What a trained generator is, and how its tensors are checked. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import type { TensorInfo } from "../files/safetensors-header.ts";
import { GeneratorConfig } from "./config.ts";
import { generatorBuffers, generatorParameters, type PairShape } from "./parameters.ts";

export const GeneratorFile = z.strictObject({ format: z.literal("lora-gen generator 1"), generator: GeneratorConfig });

export type Generator = {
  readonly config: GeneratorConfig;
  readonly tensors: ReadonlyMap<string, Float32Array>;
  readonly sha256: string;
};

export const generatorFileNames = { config: "generator.json", weights: "model.safetensors" } as const;

/** The tensors a generator of this shape has. Throws E_SHAPE naming the first that is missing or of another shape. */
export function generatorTensorNames(
  path: string,
  tensors: ReadonlyMap<string, TensorInfo>,
  pair: PairShape,
): string[] {
  return [...generatorParameters(pair), ...generatorBuffers(pair)].map(([name, { shape }]) => {
    const info = tensors.get(name);
    if (String(info?.shape) !== String(shape))
      throw new AppError(
        "E_SHAPE",
        `${path}: "${name}" should be [${shape}], found ${info === undefined ? "none" : `[${info.shape}]`}`,
      );
    return name;
  });
}
