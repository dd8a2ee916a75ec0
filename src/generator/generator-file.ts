/** @file A trained generator on disk: `generator.json` (configuration) and `model.safetensors` (weights and running statistics). */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { ensureFolder } from "../base/folder.ts";
import { sha256File } from "../base/hash.ts";
import { readJsonFile, writeJsonFile } from "../base/json-file.ts";
import { float32ToFloat16 } from "../files/half.ts";
import { openSafetensors, readTensor } from "../files/safetensors.ts";
import { writeSafetensors } from "../files/safetensors-write.ts";
import { GeneratorConfig } from "./config.ts";
import { generatorBuffers, generatorParameters, type PairShape } from "./parameters.ts";

const GeneratorFile = z.strictObject({ format: z.literal("lora-gen generator 1"), generator: GeneratorConfig });

export type Generator = {
  readonly config: GeneratorConfig;
  readonly tensors: ReadonlyMap<string, Float32Array>;
  readonly sha256: string;
};

const names = { config: "generator.json", weights: "model.safetensors" } as const;

/** The configuration alone: enough to know which tensors to expect. */
export async function readGeneratorConfig(directory: string): Promise<GeneratorConfig> {
  return (await readJsonFile(join(directory, names.config), GeneratorFile)).generator;
}

/** Reads and checks a generator for a pair. Throws E_FORMAT or E_SHAPE naming the tensor. */
export async function readGenerator(directory: string, pair: PairShape): Promise<Generator> {
  const path = join(directory, names.weights);
  const file = await openSafetensors(path);
  const tensors = new Map<string, Float32Array>();
  for (const [name, { shape }] of [...generatorParameters(pair), ...generatorBuffers(pair)]) {
    const info = file.tensors.get(name);
    if (String(info?.shape) !== String(shape)) {
      throw new AppError(
        "E_SHAPE",
        `${path}: "${name}" should be [${shape}], found ${info === undefined ? "none" : `[${info.shape}]`}`,
      );
    }
    tensors.set(name, await readTensor(file, name));
  }
  return { config: pair.generator, tensors, sha256: await sha256File(path) };
}

/** Writes a generator. fp16 halves what is shipped; running statistics stay fp32. */
export async function writeGenerator(
  directory: string,
  pair: PairShape,
  parameters: ReadonlyMap<string, Float32Array>,
  buffers: ReadonlyMap<string, Float32Array>,
  { dtype = "F32" }: { readonly dtype?: "F32" | "F16" } = {},
): Promise<void> {
  await ensureFolder(directory);
  const weights = [...generatorParameters(pair)].map(([name, { shape }]) => {
    const values = parameters.get(name)!;
    return dtype === "F32"
      ? { name, dtype, shape, data: values }
      : { name, dtype, shape, data: float32ToFloat16(values) };
  });
  const statistics = [...generatorBuffers(pair)].map(([name, { shape }]) => ({
    name,
    dtype: "F32" as const,
    shape,
    data: buffers.get(name)!,
  }));
  await writeSafetensors(join(directory, names.weights), [...weights, ...statistics]);
  await writeJsonFile(join(directory, names.config), { format: "lora-gen generator 1", generator: pair.generator });
}
