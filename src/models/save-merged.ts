/** @file A merged model as a Hugging Face directory: sharded by size, types kept, and a record that it was merged. */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { ensureFolder } from "../base/folder.ts";
import { readJsonFile } from "../base/json-file.ts";
import { Sha256 } from "../base/sha256.ts";
import { openGguf } from "../files/gguf/read.ts";
import { dtypeBytes } from "../files/safetensors.ts";
import { openSafetensorsModel } from "../files/safetensors-model.ts";
import { planShards, shardName, writeShardIndex } from "../files/safetensors-shards.ts";
import { type TensorToWrite, writeSafetensors } from "../files/safetensors-write.ts";
import { readWeight } from "../runtime/read-weight.ts";
import type { WeightSource } from "../runtime/session.ts";
import { asParameters, type CheckpointTensor, checkpointTensors, joinParts } from "./checkpoint.ts";
import { writeConfigFile } from "./config-file.ts";
import { parseModelConfig, toConfigJson } from "./config-json.ts";
import { copyTokenizer } from "./copy-tokenizer.ts";
import type { Model } from "./model.ts";
import { embeddingName, parameterShapes } from "./parameters.ts";

export type MergedDtype = "F32" | "F16" | "BF16";

/** What was merged into a model, kept with it. */
export const MergeRecord = z.strictObject({
  /** The identity of the model before. */
  base_sha256: Sha256,
  /** Where it was merged into a quantised directory's codes: their own hash. */
  base_weights_sha256: Sha256.optional(),
  kind: z.enum(["specialization", "peft", "svf"]),
  /** Of the specialisation, of the adapter's weights, or of the expert. */
  adapter_sha256: Sha256,
  scale: z.number(),
});
export type MergeRecord = z.infer<typeof MergeRecord>;

/** Its key in `config.json`, and in the metadata of a GGUF file, where it is JSON. */
export const mergeRecordKey = { config: "lora_gen_merge", gguf: "lora_gen.merge" } as const;

export type SaveMergedOptions = {
  readonly record: MergeRecord;
  /** All weights in one type; undefined: each as in the base model. */
  readonly dtype?: MergedDtype | undefined;
  /** Bytes a file of weights may have unless one tensor is larger. */
  readonly shardBytes?: number;
  /** Where tokenizer files are taken from if the base model has none. */
  readonly tokenizerDirectory?: string | undefined;
};

const dtypeNames: Readonly<Record<MergedDtype, string>> = { F32: "float32", F16: "float16", BF16: "bfloat16" };

/** Throws E_MISMATCH where a model is the result of a merge. */
export async function refuseMerged(model: Pick<Model, "directory">): Promise<void> {
  if ((await readMergeRecord(model.directory)) !== undefined)
    throw new AppError(
      "E_MISMATCH",
      `${model.directory}: an adapter is merged into this model already; merge into its base model, or take it out with \`loragen unmerge\``,
    );
}

/** What was merged into the model of a directory or GGUF file; undefined where nothing was. */
export async function readMergeRecord(directory: string): Promise<MergeRecord | undefined> {
  if (directory.endsWith(".gguf")) {
    const text = (await openGguf(directory)).metadata.get(mergeRecordKey.gguf)?.value;
    if (text === undefined) return undefined;
    const parsed = typeof text === "string" ? MergeRecord.safeParse(safeJson(text)) : undefined;
    if (parsed?.success !== true)
      throw new AppError("E_FORMAT", `${directory}: ${mergeRecordKey.gguf} is not a record of a merge`);
    return parsed.data;
  }
  const file = z.looseObject({ [mergeRecordKey.config]: MergeRecord.optional() });
  return (await readJsonFile(join(directory, "config.json"), file))[mergeRecordKey.config] as MergeRecord | undefined;
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Writes the directory: config, weights in order of the checkpoint, tokenizer files. Throws E_MISMATCH where nothing changes. */
export async function saveMergedModel(
  directory: string,
  base: Model,
  weights: Readonly<Record<string, WeightSource>>,
  options: SaveMergedOptions,
): Promise<void> {
  const { record, shardBytes = 5e9, tokenizerDirectory } = options;
  const dtypes = await storedDtypes(base, options.dtype);
  await ensureFolder(directory);
  const typeOf = ({ parts }: CheckpointTensor) => dtypes.get(parts[0]!)!;
  const bytesOf = (tensor: CheckpointTensor) => sizeOf(tensor.shape, typeOf(tensor));
  const shards = planShards<CheckpointTensor>(checkpointTensors(base.config), bytesOf, shardBytes);
  for (const [i, entries] of shards.entries()) {
    const tensors = entries.map(
      (tensor): TensorToWrite => ({
        name: tensor.name,
        dtype: typeOf(tensor),
        shape: tensor.shape,
        data: () => joinParts(tensor, (name) => readWeight(weights[name]!)),
      }),
    );
    await writeSafetensors(join(directory, shardName(i, shards.length)), tensors, { format: "pt" });
  }
  const names = shards.map((entries) => entries.map(({ name }) => name));
  const totalBytes = shards.flat().reduce((sum, entry) => sum + bytesOf(entry), 0);
  await writeShardIndex(directory, names, totalBytes);
  const dtype = dtypeNames[commonType(dtypes)];
  await writeConfigFile(directory, {
    ...sayDtype(await baseConfig(base), dtype),
    torch_dtype: dtype,
    [mergeRecordKey.config]: record,
  });
  await copyTokenizer(directory, [base.directory, tokenizerDirectory]);
}

const sizeOf = (shape: readonly number[], dtype: MergedDtype) => shape.reduce((a, b) => a * b, dtypeBytes[dtype]);

/** The type of every tensor of a merged model: as asked, else as the base model has it; those of a GGUF base become F32. */
export async function storedDtypes(base: Model, asked: MergedDtype | undefined): Promise<Map<string, MergedDtype>> {
  const isGguf = base.directory.endsWith(".gguf");
  const found =
    asked === undefined && !isGguf
      ? asParameters(base.directory, base.config, await openSafetensorsModel(base.directory)).tensors
      : undefined;
  const table = `${embeddingName(base.config)}.weight`; // a head that was the embedding before has its type
  const typeOf = (name: string): MergedDtype => {
    const dtype = (found?.get(name) ?? found?.get(table))?.dtype;
    return asked ?? (dtype === "F16" || dtype === "BF16" ? dtype : "F32");
  };
  return new Map([...parameterShapes(base.config).keys()].map((name) => [name, typeOf(name)]));
}

/** The type that most of a model's tensors have in its files. */
export const storedDtype = async (base: Model): Promise<MergedDtype> => commonType(await storedDtypes(base, undefined));

/** The type of most tensors. */
function commonType(dtypes: ReadonlyMap<string, MergedDtype>): MergedDtype {
  const counts = { F32: 0, F16: 0, BF16: 0 };
  for (const dtype of dtypes.values()) counts[dtype]++;
  return (["F32", "F16", "BF16"] as const).reduce((best, dtype) => (counts[dtype] > counts[best] ? dtype : best));
}

/** The base model's own `config.json`, whatever else it says. */
export async function baseConfig(base: Model): Promise<Record<string, unknown>> {
  if (base.directory.endsWith(".gguf")) return toConfigJson(base.config);
  const path = join(base.directory, "config.json");
  const json = await readJsonFile(path, z.looseObject({}));
  const { tied, modelType } = base.config;
  if (json["model_type"] !== modelType) return toConfigJson(base.config); // the text model of one with more senses
  return parseModelConfig(path, json).tied === tied ? json : { ...json, tie_word_embeddings: tied };
}

const dtypeKeys = ["torch_dtype", "dtype"];

/** A configuration that says `dtype` wherever it says one: under both names, of which transformers 5 prefers the second. */
function sayDtype(config: object, dtype: string): Record<string, unknown> {
  const entries = Object.entries(config).map(([key, value]): [string, unknown] => {
    if (dtypeKeys.includes(key)) return [key, dtype];
    return [key, isObject(value) ? sayDtype(value, dtype) : value];
  });
  return Object.fromEntries(entries);
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);
