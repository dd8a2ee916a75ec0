/** @file A trained generator on disk: `generator.json` (configuration) and `model.safetensors` (weights and running statistics). */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { ensureFolder } from "../base/folder.ts";
import { float32ToFloat16 } from "../base/half.ts";
import { sha256File } from "../base/hash-file.ts";
import { readJsonFile, writeJsonFile } from "../base/json-file.ts";
import { openSafetensors, readTensor, type SafetensorsFile } from "../files/safetensors.ts";
import { type TensorToWrite, writeSafetensors } from "../files/safetensors-write.ts";
import type { GeneratorConfig } from "../generator/config.ts";
import {
  generatorBuffers,
  generatorFrozen,
  generatorParameters,
  isGainOrBias,
  type PairShape,
} from "../generator/parameters.ts";
import {
  type Generator,
  GeneratorFile,
  generatorFileNames,
  generatorTensors,
  type StoredTensor,
  scalesOf,
  storedTensor,
  type TrainedOver,
} from "./generator.ts";
import { scaleRows, toInt8Rows } from "./int8-rows.ts";
import { knownPromptsName } from "./known-prompts.ts";

export type { Generator } from "./generator.ts";

/** The configuration alone: enough to know which tensors to expect. */
export async function readGeneratorConfig(directory: string): Promise<GeneratorConfig> {
  return (await readFile(directory)).generator;
}

const readFile = (directory: string) => readJsonFile(join(directory, generatorFileNames.config), GeneratorFile);

/** Reads and checks a generator for a pair; rows in 8 bits are widened. Throws E_FORMAT, E_SHAPE or E_DTYPE naming the tensor. */
export async function readGenerator(directory: string, shape: PairShape): Promise<Generator> {
  const path = join(directory, generatorFileNames.weights);
  const file = await openSafetensors(path);
  const tensors = new Map<string, Float32Array>();
  for (const stored of generatorTensors(path, file.tensors, shape))
    tensors.set(stored.name, await readStored(file, stored));
  const { trainedOver } = await readFile(directory);
  return { config: shape.generator, tensors, sha256: await sha256File(path), trainedOver };
}

const readStored = async (file: SafetensorsFile, { name, scales }: StoredTensor): Promise<Float32Array> =>
  scales === undefined
    ? readTensor(file, name)
    : scaleRows(await readTensor(file, name), await readTensor(file, scales));

export type NamedTensor = { readonly name: string; readonly shape: readonly number[]; readonly data: Float32Array };

/** A generator without the pair that says which tensors it should have. */
export type LooseGenerator = {
  readonly config: GeneratorConfig;
  readonly tensors: readonly NamedTensor[];
  readonly trainedOver?: TrainedOver | undefined;
};

/** Reads whatever tensors a generator has. Throws E_FORMAT, E_SHAPE or E_DTYPE. */
export async function readLooseGenerator(directory: string): Promise<LooseGenerator> {
  const { generator: config, trainedOver } = await readFile(directory);
  const path = join(directory, generatorFileNames.weights);
  const file = await openSafetensors(path);
  const all = [...file.tensors.values()];
  const scales = new Set(all.filter(({ dtype }) => dtype === "I8").map(({ name }) => scalesOf(name)));
  const tensors: NamedTensor[] = [];
  for (const { name, shape } of all.filter((tensor) => !scales.has(tensor.name)))
    tensors.push({ name, shape, data: await readStored(file, storedTensor(path, file.tensors, name, shape)) });
  return { config, tensors, trainedOver };
}

/** As trained; half as large; a quarter, rows in 8 bits with one scale each. */
export type GeneratorDtype = "F32" | "F16" | "I8";

export type WriteGeneratorOptions = {
  readonly dtype?: GeneratorDtype;
  readonly trainedOver?: TrainedOver | undefined;
  /** Of `generatorFrozen`. */
  readonly frozen?: ReadonlyMap<string, Float32Array> | undefined;
};

/** Writes a generator. fp16 halves what is shipped, int8 halves it again; running statistics stay fp32, in int8 gains and biases too. */
export async function writeGenerator(
  directory: string,
  shape: PairShape,
  parameters: ReadonlyMap<string, Float32Array>,
  buffers: ReadonlyMap<string, Float32Array>,
  options: WriteGeneratorOptions = {},
): Promise<void> {
  const named = (infos: ReturnType<typeof generatorFrozen>, values: ReadonlyMap<string, Float32Array>) =>
    [...infos].map(([name, { shape }]) => ({ name, shape, data: values.get(name)! }));
  const tensors = [
    ...named(generatorParameters(shape), parameters),
    ...named(generatorBuffers(shape), buffers),
    ...named(generatorFrozen(shape), options.frozen ?? new Map()),
  ];
  await writeLooseGenerator(directory, { ...options, config: shape.generator, tensors }, options.dtype);
}

/** The same where the tensors are known without a pair. Throws E_NAN where numbers that are not finite would be written in 8 bits. */
export async function writeLooseGenerator(
  directory: string,
  { config, tensors, trainedOver }: LooseGenerator,
  dtype: GeneratorDtype = "F32",
): Promise<void> {
  await ensureFolder(directory);
  await rm(join(directory, knownPromptsName), { force: true }); // it was measured with the weights before
  await writeSafetensors(join(directory, generatorFileNames.weights), tensors.flatMap(encodings[dtype]));
  await writeJsonFile(join(directory, generatorFileNames.config), {
    format: "lora-gen generator 1",
    generator: config,
    trainedOver,
  });
}

const isStatistic = (name: string): boolean => /^router\.norm\.(mean|variance)$/.test(name);

const encodings: { readonly [D in GeneratorDtype]: (tensor: NamedTensor) => TensorToWrite[] } = {
  F32: (tensor) => [{ ...tensor, dtype: "F32" }],
  F16: (tensor) =>
    isStatistic(tensor.name)
      ? encodings.F32(tensor)
      : [{ ...tensor, dtype: "F16", data: float32ToFloat16(tensor.data) }],
  I8: (tensor) => {
    const { name, shape, data } = tensor;
    if (isStatistic(name) || isGainOrBias(name) || shape.length < 2) return encodings.F32(tensor);
    const { codes, scales } = toInt8Rows(name, data, shape.at(-1)!);
    return [
      { name, dtype: "I8", shape, data: codes },
      { name: scalesOf(name), dtype: "F32", shape: shape.slice(0, -1), data: scales },
    ];
  },
};
