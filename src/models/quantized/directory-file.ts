/** @file A quantised model as a directory: `config.json` says how, the tensors lie in safetensors, ready to be mapped (docs/quantization.md). */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { joinSha256 } from "../../base/hash.ts";
import { sha256File, sha256Files } from "../../base/hash-file.ts";
import { requireRunning } from "../../base/interrupt.ts";
import { readJsonFile } from "../../base/json-file.ts";
import { openGguf } from "../../files/gguf/read.ts";
import { openSafetensorsModel, readModelTensor, type SafetensorsModel } from "../../files/safetensors-model.ts";
import { readWeight } from "../../runtime/read-weight.ts";
import type { WeightSource } from "../../runtime/session.ts";
import { isGguf } from "../../text/tokenizer-file.ts";
import { asParameters } from "../checkpoint.ts";
import type { ModelConfig } from "../config.ts";
import { readModelConfig } from "../config-file.ts";
import { toConfigJson } from "../config-json.ts";
import { openGgufModel } from "../gguf/model-file.ts";
import { requireWeight } from "../safetensors-weight.ts";
import { mergeRecordKey, readMergeRecord } from "../save-merged.ts";
import { parseQuantization, type QuantizationConfig } from "./directory.ts";
import {
  type Quantization,
  type ResolvedQuantization,
  requireQuantization,
  resolveQuantization,
  type StoredWeight,
  storedWeights,
  storeWeight,
} from "./layout.ts";
import { type WriteQuantizedOptions, type WrittenQuantized, writeQuantized } from "./write-directory.ts";

export type QuantizedDirectory = {
  readonly quantization: ResolvedQuantization;
  /** Mapped, all of them. */
  readonly weights: Readonly<Record<string, WeightSource>>;
  /** Of the model it was made from: what was made for that one fits this one. */
  readonly sha256: string;
  /** Of the quantised weights themselves. */
  readonly weightsSha256: string;
};

/** What `config.json` says about quantisation; undefined where nothing. Throws E_NOT_FOUND, and as `parseQuantization`. */
export async function readQuantization(directory: string): Promise<QuantizationConfig | undefined> {
  const path = join(directory, "config.json");
  return parseQuantization(path, await readJsonFile(path, z.looseObject({})));
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
  const { bits, symmetric, block_size: blockSize, table_block_size: tableBlockSize } = found;
  const quantization = { bits, symmetric, blockSize, tableBlockSize };
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
  return { quantization, weights, sha256: found.base_sha256, weightsSha256: sha256 };
}

/**
 * Quantises a Hugging Face directory or a GGUF file into an empty directory. One weight is in memory at a time, beside at most one file's worth of results.
 * @returns how its weights are held now, and their bytes before and after
 * @throws E_CONFIG where it is quantised already, E_NAN naming a weight, E_INTERRUPTED, and as `openModel`
 */
export async function quantizeDirectory(
  directory: string,
  out: string,
  wanted: Quantization,
  options: WriteQuantizedOptions = {},
): Promise<WrittenQuantized & { readonly quantization: ResolvedQuantization; readonly bytesBefore: number }> {
  if (isGguf(directory)) return quantizeGguf(directory, out, wanted, options);
  const config = await readModelConfig(directory);
  const quantization = resolveQuantization(config, wanted);
  if ((await readQuantization(directory)) !== undefined)
    throw new AppError("E_CONFIG", `${directory}: is quantised already; quantise the model it was made from`);
  const record = await readMergeRecord(directory);
  const files = asParameters(directory, config, await openSafetensorsModel(directory));
  const hashes: string[] = [];
  for (const { path } of files.files) {
    requireRunning(options.signal);
    hashes.push(await sha256File(path));
  }
  const model = {
    config,
    quantization,
    valuesOf: (weight: StoredWeight) => readQuantized(directory, files, weight),
    json: { ...toConfigJson(config), ...(record === undefined ? {} : { [mergeRecordKey.config]: record }) },
    baseSha256: joinSha256(hashes),
    tokenizerDirectories: [directory],
  };
  const written = await writeQuantized(out, model, options);
  const bytesBefore = [...files.tensors.values()].reduce((sum, info) => sum + info.bytes, 0);
  return { quantization, bytesBefore, ...written };
}

/** The same for a GGUF file. */
async function quantizeGguf(path: string, out: string, wanted: Quantization, options: WriteQuantizedOptions) {
  const { config, weights, sha256: baseSha256 } = await openGgufModel(path);
  const quantization = resolveQuantization(config, wanted);
  const record = await readMergeRecord(path);
  const model = {
    config,
    quantization,
    valuesOf: async (weight: StoredWeight) => storeWeight(weight, await readWeight(weights[weight.name]!)),
    json: { ...toConfigJson(config), ...(record === undefined ? {} : { [mergeRecordKey.config]: record }) },
    baseSha256,
    tokenizerDirectories: [path],
  };
  const written = await writeQuantized(out, model, options);
  const bytesBefore = [...(await openGguf(path)).tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  return { quantization, bytesBefore, ...written };
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
