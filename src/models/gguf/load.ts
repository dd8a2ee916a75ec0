/** @file A model in a GGUF file: its shape, and where each of its weights lies. */
import { AppError } from "../../base/errors.ts";
import { sha256File } from "../../base/hash.ts";
import { findGgufTensor, type GgufFile, openGguf, readGgufTensor } from "../../files/gguf/read.ts";
import { unpairRows } from "../../files/gguf/rows.ts";
import type { WeightSource } from "../../runtime/session.ts";
import type { ModelConfig } from "../config.ts";
import { parameterShapes } from "../parameters.ts";
import { ggufHeadDim, ggufModelConfig, ropeFactorsName } from "./config.ts";
import { type GgufPlace, ggufPlaces } from "./names.ts";

export type GgufModel = {
  readonly config: ModelConfig;
  /** By their names in a checkpoint; without rotary tables. */
  readonly weights: Readonly<Record<string, WeightSource>>;
  readonly sha256: string;
};

/**
 * Opens a model for which llama.cpp has an architecture that we have. F32 tensors that are stored as we need them stay in the file and are
 * mapped; all others are widened in memory.
 * @throws E_NOT_FOUND, E_FORMAT, E_LIMIT, E_ARCHITECTURE, E_DTYPE, E_SHAPE: naming the file and the tensor
 */
export async function openGgufModel(path: string): Promise<GgufModel> {
  const file = await openGguf(path);
  const config = ggufModelConfig(file, await readRopeFactors(file));
  const places = ggufPlaces(config);
  const weights: Record<string, WeightSource> = {};
  for (const [name, shape] of parameterShapes(config)) weights[name] = await locate(file, places.get(name)!, shape);
  return { config, weights, sha256: await sha256File(path) };
}

/** Divisors of the rotary frequencies: one for each pair of a head, which is checked before they are read. */
async function readRopeFactors(file: GgufFile): Promise<Float32Array | undefined> {
  const tensor = file.tensors.get(ropeFactorsName);
  if (tensor === undefined) return undefined;
  const wanted = ggufHeadDim(file) / 2;
  if (tensor.shape.length !== 1 || tensor.shape[0] !== wanted)
    throw new AppError("E_SHAPE", `${file.path}: "${ropeFactorsName}" should be [${wanted}], found [${tensor.shape}]`);
  return readGgufTensor(file, ropeFactorsName);
}

async function locate(file: GgufFile, place: GgufPlace, shape: readonly number[]): Promise<WeightSource> {
  const { name, pairedHeads, offset } = place;
  const tensor = findGgufTensor(file, name);
  if (String(tensor.shape) !== String(shape))
    throw new AppError("E_SHAPE", `${file.path}: "${name}" should be [${shape}], found [${tensor.shape}]`);
  if (tensor.type === "F32" && pairedHeads === undefined && offset === 0)
    return { kind: "file", path: file.path, offset: tensor.offset, bytes: tensor.bytes };
  const values = await readGgufTensor(file, name);
  const rows =
    pairedHeads === undefined ? values : unpairRows(values, shape.length === 1 ? 1 : shape.at(-1)!, pairedHeads);
  return { kind: "data", data: offset === 0 ? rows : rows.map((value) => value - offset) };
}
