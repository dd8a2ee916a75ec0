/** @file A trained generator on disk: `generator.json` (configuration) and `model.safetensors` (weights and running statistics). */
import { join } from "node:path";
import { ensureFolder } from "../base/folder.ts";
import { float32ToFloat16 } from "../base/half.ts";
import { sha256File } from "../base/hash.ts";
import { readJsonFile, writeJsonFile } from "../base/json-file.ts";
import { openSafetensors, readTensor } from "../files/safetensors.ts";
import { writeSafetensors } from "../files/safetensors-write.ts";
import type { GeneratorConfig } from "../generator/config.ts";
import { generatorBuffers, generatorParameters, type PairShape } from "../generator/parameters.ts";
import {
  type Generator,
  GeneratorFile,
  generatorFileNames,
  generatorTensorNames,
  type TrainedOver,
} from "./generator.ts";

export type { Generator } from "./generator.ts";

/** The configuration alone: enough to know which tensors to expect. */
export async function readGeneratorConfig(directory: string): Promise<GeneratorConfig> {
  return (await readFile(directory)).generator;
}

const readFile = (directory: string) => readJsonFile(join(directory, generatorFileNames.config), GeneratorFile);

/** Reads and checks a generator for a pair. Throws E_FORMAT or E_SHAPE naming the tensor. */
export async function readGenerator(directory: string, pair: PairShape): Promise<Generator> {
  const path = join(directory, generatorFileNames.weights);
  const file = await openSafetensors(path);
  const tensors = new Map<string, Float32Array>();
  for (const name of generatorTensorNames(path, file.tensors, pair)) tensors.set(name, await readTensor(file, name));
  const { trainedOver } = await readFile(directory);
  return { config: pair.generator, tensors, sha256: await sha256File(path), trainedOver };
}

export type WriteGeneratorOptions = {
  readonly dtype?: "F32" | "F16";
  readonly trainedOver?: TrainedOver | undefined;
};

/** Writes a generator. fp16 halves what is shipped; running statistics stay fp32. */
export async function writeGenerator(
  directory: string,
  pair: PairShape,
  parameters: ReadonlyMap<string, Float32Array>,
  buffers: ReadonlyMap<string, Float32Array>,
  { dtype = "F32", trainedOver }: WriteGeneratorOptions = {},
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
  await writeSafetensors(join(directory, generatorFileNames.weights), [...weights, ...statistics]);
  await writeJsonFile(join(directory, generatorFileNames.config), {
    format: "lora-gen generator 1",
    generator: pair.generator,
    trainedOver,
  });
}
