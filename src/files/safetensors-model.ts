/** @file The weights of a Hugging Face folder: one safetensors file, or shards and their index. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import { readFileBounded } from "../base/read-file.ts";
import { decodeUtf8 } from "../base/utf8.ts";
import { openSafetensors, readFloats, type SafetensorsFile, type TensorInfo } from "./safetensors.ts";

const indexLimits = { bytes: 64 * 2 ** 20, shards: 4096 } as const;

export interface LocatedTensor extends TensorInfo {
  /** The file that holds it. */
  readonly path: string;
}

/** All tensors of a model, each with the one file that holds it. */
export interface SafetensorsModel {
  readonly tensors: ReadonlyMap<string, LocatedTensor>;
  readonly files: readonly SafetensorsFile[];
}

const Index = z.object({ weight_map: z.record(z.string(), z.string()) });

/** Opens `model.safetensors`, or the shards of `model.safetensors.index.json`. Throws as `openSafetensors`. */
export async function openSafetensorsModel(directory: string): Promise<SafetensorsModel> {
  const single = join(directory, "model.safetensors");
  const index = join(directory, "model.safetensors.index.json");
  if (await exists(single)) return locate([await openSafetensors(single)]);
  if (await exists(index)) return openShards(directory, index);
  throw new AppError("E_NOT_FOUND", `${directory}: has neither model.safetensors nor model.safetensors.index.json`);
}

/** A tensor of a model as fp32. Throws E_FORMAT when there is none of that name. */
export async function readModelTensor(model: SafetensorsModel, name: string): Promise<Float32Array> {
  const info = model.tensors.get(name);
  const file = model.files.find(({ path }) => path === info?.path);
  if (info === undefined || file === undefined)
    throw new AppError("E_FORMAT", `${model.files[0]?.path}: the model has no tensor named ${JSON.stringify(name)}`);
  return readFloats(file, info);
}

async function openShards(directory: string, index: string): Promise<SafetensorsModel> {
  const text = decodeUtf8(await readFileBounded(index, indexLimits.bytes), index);
  const parsed = parseJson(text, { what: index, maxBytes: indexLimits.bytes, maxDepth: 8, uniqueKeys: true });
  const weightMap = Object.entries(checkSchema(parsed, Index, { what: index }).weight_map);
  const shards = [...new Set(weightMap.map(([, shard]) => shard))].sort();
  if (shards.length === 0) throw new AppError("E_FORMAT", `${index}: weight_map is empty`);
  if (shards.length > indexLimits.shards)
    throw new AppError("E_LIMIT", `${index}: ${shards.length} shards, the limit is ${indexLimits.shards}`);
  for (const shard of shards) {
    // A plain name: no separators, no "..", nothing that leaves the folder.
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors$/.test(shard))
      throw new AppError("E_FORMAT", `${index}: ${JSON.stringify(shard)} is not the plain name of a safetensors file`);
  }
  const files = new Map<string, SafetensorsFile>();
  for (const shard of shards) files.set(shard, await openSafetensors(join(directory, shard)));
  const model = locate([...files.values()]);
  for (const [name, shard] of weightMap) {
    if (!files.get(shard)!.tensors.has(name))
      throw new AppError("E_FORMAT", `${index}: places ${JSON.stringify(name)} in ${shard}, which lacks it`);
  }
  if (model.tensors.size !== weightMap.length) {
    const listed = new Set(weightMap.map(([name]) => name));
    const extra = [...model.tensors.values()].find(({ name }) => !listed.has(name))!;
    throw new AppError("E_FORMAT", `${index}: does not list ${JSON.stringify(extra.name)} of ${extra.path}`);
  }
  return model;
}

function locate(files: readonly SafetensorsFile[]): SafetensorsModel {
  const tensors = new Map<string, LocatedTensor>();
  for (const { path, tensors: infos } of files) {
    for (const info of infos.values()) {
      const other = tensors.get(info.name);
      if (other !== undefined)
        throw new AppError("E_FORMAT", `${path}: tensor ${JSON.stringify(info.name)} is also in ${other.path}`);
      tensors.set(info.name, { ...info, path });
    }
  }
  return { tensors, files };
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );
