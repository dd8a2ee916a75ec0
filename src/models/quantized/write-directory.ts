/** @file Writing a quantised directory: `config.json`, the tensors in files of limited size, the tokenizer. */
import { join } from "node:path";
import { ensureFolder } from "../../base/folder.ts";
import { joinSha256 } from "../../base/hash.ts";
import { sha256File } from "../../base/hash-file.ts";
import { requireRunning } from "../../base/interrupt.ts";
import { planShards, shardName, writeShardIndex } from "../../files/safetensors-shards.ts";
import { type TensorToWrite, writeSafetensors } from "../../files/safetensors-write.ts";
import type { ModelConfig } from "../config.ts";
import { writeConfigFile } from "../config-file.ts";
import { copyTokenizer } from "../copy-tokenizer.ts";
import { type QuantizationConfig, quantizationMethod, quantizationVersion } from "./directory.ts";
import {
  type Quantization,
  type ResolvedQuantization,
  resolveQuantization,
  type StoredWeight,
  storedWeights,
} from "./layout.ts";

export type QuantizedModel = {
  readonly config: ModelConfig;
  readonly quantization: Quantization;
  /** The values of a weight's tensors, in their order. Called once for every weight. */
  readonly valuesOf: (weight: StoredWeight) => Promise<readonly (Float32Array | Uint8Array)[]>;
  /** What `config.json` says beside how it is quantised. */
  readonly json: Readonly<Record<string, unknown>>;
  /** The identity of the model it was made from; undefined: it is a model of its own, known by its own weights. */
  readonly baseSha256: string | undefined;
  /** Tokenizer files are taken from the first that has them. */
  readonly tokenizerDirectories: readonly string[];
};

export type WrittenQuantized = { readonly bytes: number; readonly files: number };

export type WriteQuantizedOptions = {
  /** Called with every weight. */
  readonly onProgress?: (done: number, total: number) => void;
  /** About the size of a file, which is held before it is written. */
  readonly shardBytes?: number;
  /** Looked at before every weight. */
  readonly signal?: AbortSignal | undefined;
};

/** Writes the directory, one file's worth of weights in memory at a time. Throws E_INTERRUPTED, E_IO, and as `valuesOf`. */
export async function writeQuantized(
  out: string,
  { config, quantization, valuesOf, json, baseSha256, tokenizerDirectories }: QuantizedModel,
  { onProgress, shardBytes = 2 ** 29, signal }: WriteQuantizedOptions = {},
): Promise<WrittenQuantized> {
  const shards = planShards(storedWeights(config, quantization), storedBytes, shardBytes);
  const total = shards.reduce((sum, { length }) => sum + length, 0);
  let done = 0;
  await ensureFolder(out);
  const hashes: string[] = [];
  for (const [i, shard] of shards.entries()) {
    const entries: TensorToWrite[] = [];
    for (const weight of shard) {
      requireRunning(signal);
      entries.push(...tensorsToWrite(weight, await valuesOf(weight)));
      onProgress?.(++done, total);
    }
    requireRunning(signal);
    const path = join(out, shardName(i, shards.length));
    await writeSafetensors(path, entries, { format: "pt" });
    hashes.push(await sha256File(path));
  }
  const bytes = shards.flat().reduce((sum, weight) => sum + storedBytes(weight), 0);
  const names = shards.map((shard) => shard.flatMap(({ tensors }) => tensors.map(({ name }) => name)));
  await writeShardIndex(out, names, bytes);
  await copyTokenizer(out, tokenizerDirectories);
  const weightsSha256 = joinSha256(hashes);
  await writeConfigFile(out, {
    ...json,
    quantization_config: quantizationConfig(
      resolveQuantization(config, quantization),
      baseSha256 ?? weightsSha256,
      weightsSha256,
    ),
  });
  return { bytes, files: shards.length };
}

const quantizationConfig = (
  { bits, symmetric, blockSize, tableBlockSize }: ResolvedQuantization,
  baseSha256: string,
  weightsSha256: string,
): QuantizationConfig => ({
  quant_method: quantizationMethod,
  version: quantizationVersion,
  bits,
  block_size: blockSize,
  table_block_size: tableBlockSize,
  symmetric,
  base_sha256: baseSha256,
  weights_sha256: weightsSha256,
});

const tensorsToWrite = (
  { tensors }: StoredWeight,
  values: readonly (Float32Array | Uint8Array)[],
): readonly TensorToWrite[] =>
  tensors.map(({ name, shape, dtype }, i) => ({
    name,
    dtype: dtype === "u8" ? ("U8" as const) : ("F32" as const),
    shape,
    data: values[i]!,
  }));

const storedBytes = ({ tensors }: StoredWeight): number =>
  tensors.reduce((sum, { shape, dtype }) => sum + shape.reduce((a, b) => a * b, 1) * (dtype === "u8" ? 1 : 4), 0);
