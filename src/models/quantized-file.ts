/** @file A quantised model as a directory: `config.json` says how, the tensors lie in safetensors, ready to be mapped (docs/quantization.md). */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { ensureFolder } from "../base/folder.ts";
import { joinSha256, sha256File, sha256Files } from "../base/hash.ts";
import { readJsonFile } from "../base/json-file.ts";
import { Sha256 } from "../base/sha256.ts";
import { openSafetensorsModel, readModelTensor, type SafetensorsModel } from "../files/safetensors-model.ts";
import { planShards, shardName, writeShardIndex } from "../files/safetensors-shards.ts";
import { type TensorToWrite, writeSafetensors } from "../files/safetensors-write.ts";
import type { WeightSource } from "../runtime/session.ts";
import { type ModelConfig, readModelConfig, toConfigJson } from "./config.ts";
import { writeConfigFile } from "./config-text.ts";
import {
  type BlockSize,
  blockSizes,
  defaultBlockSize,
  type Quantization,
  requireQuantization,
  type StoredWeight,
  storedWeights,
  storeWeight,
} from "./quantized-layout.ts";
import { requireWeight } from "./safetensors-weight.ts";
import { mergeRecordKey, readMergeRecord } from "./save-merged.ts";
import { copyTokenizer } from "./tokenizer-files.ts";

const method = "lora-gen";

/** Version 1 had no hash of the quantised weights: nothing told damaged or exchanged ones. */
const formatVersion = 2;

const QuantizationConfig = z.strictObject({
  quant_method: z.literal(method),
  version: z.literal(formatVersion),
  bits: z.union([z.literal(4), z.literal(8)]),
  block_size: z.literal<BlockSize[]>([...blockSizes]),
  symmetric: z.boolean(),
  /** The identity of the weights that were quantised. */
  base_sha256: Sha256,
  /** Of the files of quantised weights, in order. */
  weights_sha256: Sha256,
});

export type QuantizedDirectory = {
  readonly quantization: Quantization;
  /** Mapped, all of them. */
  readonly weights: Readonly<Record<string, WeightSource>>;
  /** Of the model it was made from: what was made for that one fits this one. */
  readonly sha256: string;
};

/** What `config.json` says about quantisation; undefined where nothing. Throws E_DTYPE for another tool's, E_FORMAT for an earlier version. */
async function readQuantization(directory: string): Promise<z.infer<typeof QuantizationConfig> | undefined> {
  const path = join(directory, "config.json");
  const file = await readJsonFile(path, z.looseObject({ quantization_config: z.looseObject({}).nullish() }));
  const config = file.quantization_config;
  if (config == null) return undefined;
  if (config["quant_method"] !== method)
    throw new AppError(
      "E_DTYPE",
      `${path}: weights quantised by ${JSON.stringify(config["quant_method"] ?? "another tool")} cannot be read; expected none, or those of \`loragen quantize\``,
    );
  if (config["version"] === 1)
    throw new AppError(
      "E_FORMAT",
      `${path}: quantised in version 1 of the format, which has no hash of the quantised weights, so they cannot be checked: quantise the model it was made from again, with \`loragen quantize\``,
    );
  return (await readJsonFile(path, z.looseObject({ quantization_config: QuantizationConfig }))).quantization_config;
}

/**
 * The quantised weights of a directory, checked against the hash that was recorded of them; undefined where it is not quantised.
 * @throws E_NOT_FOUND, E_FORMAT, E_LIMIT, E_DTYPE, E_SHAPE: naming the file and the tensor; E_CONFIG where it is quantised in another way
 * than `wanted`; E_MISMATCH naming both hashes
 */
export async function openQuantizedDirectory(
  directory: string,
  config: ModelConfig,
  wanted?: Quantization,
): Promise<QuantizedDirectory | undefined> {
  const found = await readQuantization(directory);
  if (found === undefined) return undefined;
  const { bits, symmetric, block_size: blockSize } = found;
  const quantization = { bits, symmetric, ...(blockSize === defaultBlockSize ? {} : { blockSize }) };
  requireQuantization(directory, quantization, wanted);
  const files = await openSafetensorsModel(directory);
  const weights: Record<string, WeightSource> = {};
  for (const { tensors } of storedWeights(config, quantization))
    for (const { name, shape, dtype } of tensors) {
      const info = files.tensors.get(name);
      if (info === undefined)
        throw new AppError("E_FORMAT", `${directory}: expected a tensor "${name}" of shape [${shape}], found none`);
      if (String(info.shape) !== String(shape))
        throw new AppError("E_SHAPE", `${info.path}: "${name}" should be [${shape}], found [${info.shape}]`);
      const stored = dtype === "u8" ? "U8" : "F32";
      if (info.dtype !== stored)
        throw new AppError("E_DTYPE", `${info.path}: "${name}" should be ${stored}, found ${info.dtype}`);
      weights[name] = { kind: "file", path: info.path, offset: info.offset, bytes: info.bytes };
    }
  const sha256 = await sha256Files(files.files.map(({ path }) => path));
  if (sha256 !== found.weights_sha256)
    throw new AppError(
      "E_MISMATCH",
      `${directory}: config.json says that the quantised weights have sha256 ${found.weights_sha256}, but theirs is ${sha256}: they are damaged or another model's; copy or quantise them again`,
    );
  return { quantization, weights, sha256: found.base_sha256 };
}

export type QuantizeDirectoryOptions = {
  /** Called with every weight. */
  readonly onProgress?: (done: number, total: number) => void;
  /** About the size of a file, which is held before it is written. */
  readonly shardBytes?: number;
  /** Looked at before every weight. */
  readonly signal?: AbortSignal | undefined;
};

/**
 * Quantises a Hugging Face directory into an empty one. One weight is in memory at a time, beside at most one file's worth of results.
 * @returns bytes of the weights before and after
 * @throws E_CONFIG where it is quantised already, E_NAN naming a weight, E_INTERRUPTED, and as `openModel`
 */
export async function quantizeDirectory(
  directory: string,
  out: string,
  quantization: Quantization,
  { onProgress, shardBytes = 2 ** 29, signal }: QuantizeDirectoryOptions = {},
): Promise<{ readonly bytesBefore: number; readonly bytes: number; readonly files: number }> {
  const config = await readModelConfig(directory);
  if ((await readQuantization(directory)) !== undefined)
    throw new AppError("E_CONFIG", `${directory}: is quantised already; quantise the model it was made from`);
  const record = await readMergeRecord(directory);
  const files = await openSafetensorsModel(directory);
  const shards = planShards(storedWeights(config, quantization), storedBytes, shardBytes);
  const hashes: string[] = [];
  for (const { path } of files.files) {
    requireRunning(signal);
    hashes.push(await sha256File(path));
  }
  const total = shards.reduce((sum, { length }) => sum + length, 0);
  let done = 0;
  await ensureFolder(out);
  const written: string[] = [];
  for (const [i, shard] of shards.entries()) {
    const entries: TensorToWrite[] = [];
    for (const weight of shard) {
      requireRunning(signal);
      entries.push(...(await quantizedEntries(directory, files, weight)));
      onProgress?.(++done, total);
    }
    requireRunning(signal);
    const path = join(out, shardName(i, shards.length));
    await writeSafetensors(path, entries, { format: "pt" });
    written.push(await sha256File(path));
  }
  const bytes = shards.flat().reduce((sum, weight) => sum + storedBytes(weight), 0);
  const names = shards.map((shard) => shard.flatMap(({ tensors }) => tensors.map(({ name }) => name)));
  await writeShardIndex(out, names, bytes);
  await copyTokenizer(out, [directory]);
  await writeConfigFile(out, {
    ...toConfigJson(config),
    ...(record === undefined ? {} : { [mergeRecordKey.config]: record }),
    quantization_config: {
      quant_method: method,
      version: formatVersion,
      bits: quantization.bits,
      block_size: quantization.blockSize ?? defaultBlockSize,
      symmetric: quantization.symmetric,
      base_sha256: joinSha256(hashes),
      weights_sha256: joinSha256(written),
    },
  });
  const bytesBefore = [...files.tensors.values()].reduce((sum, info) => sum + info.bytes, 0);
  return { bytesBefore, bytes, files: shards.length };
}

function requireRunning(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AppError("E_INTERRUPTED", "quantize: stopped; nothing was written");
}

/** The values of a weight's tensors, made from an unquantised directory. */
export async function readQuantized(
  directory: string,
  files: SafetensorsModel,
  weight: StoredWeight,
): Promise<(Float32Array | Uint8Array)[]> {
  const { name, shape } = weight;
  const info = files.tensors.get(name);
  requireWeight(info?.path ?? directory, info, name, shape);
  return storeWeight(weight, await readModelTensor(files, name));
}

async function quantizedEntries(
  directory: string,
  files: SafetensorsModel,
  weight: StoredWeight,
): Promise<TensorToWrite[]> {
  const stored = await readQuantized(directory, files, weight);
  return weight.tensors.map(({ name, shape, dtype }, i) => ({
    name,
    dtype: dtype === "u8" ? ("U8" as const) : ("F32" as const),
    shape,
    data: stored[i]!,
  }));
}

const storedBytes = ({ tensors }: StoredWeight): number =>
  tensors.reduce((sum, { shape, dtype }) => sum + shape.reduce((a, b) => a * b, 1) * (dtype === "u8" ? 1 : 4), 0);
