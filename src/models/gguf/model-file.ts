/** @file A model in a GGUF file: its shape, and where each of its weights lies. */
import { AppError } from "../../base/errors.ts";
import { sha256File } from "../../base/hash-file.ts";
import { blockCodes, blockOffsets, blockScales, keptBlockSize, keptBlocks } from "../../files/gguf/blocks.ts";
import {
  findGgufTensor,
  type GgufFile,
  type GgufRows,
  type GgufTensor,
  openGguf,
  readGgufBytes,
  readGgufTensor,
  requireReadable,
} from "../../files/gguf/read.ts";
import { unpairRows } from "../../files/gguf/rows.ts";
import type { QuantizeOptions } from "../../nn/quantize.ts";
import { type QuantizedTensor, quantizedTensors, tensorBytes } from "../../nn/quantized.ts";
import type { DecodedSource, WeightSource } from "../../runtime/session.ts";
import type { ModelConfig } from "../config.ts";
import type { KeptBlocks } from "../frozen-model.ts";
import { embeddingName, headName, parameterShapes } from "../parameters.ts";
import { ggufModelConfig, ggufTurned, type RopeFactors, ropeFactorNames } from "./config.ts";
import { type GgufPlace, ggufPlaces } from "./names.ts";

export type GgufModel = {
  readonly config: ModelConfig;
  /** By their names in a checkpoint; without rotary tables. */
  readonly weights: Readonly<Record<string, WeightSource>>;
  readonly sha256: string;
  /** Those weights that are held in the file's own blocks; undefined: none. */
  readonly blocks: KeptBlocks | undefined;
};

export type GgufOpenOptions = {
  /** Holds weights in Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and IQ4_NL in their blocks, bit for bit, instead of widening them. */
  readonly keepBlocks?: boolean;
};

/**
 * Opens a model for which llama.cpp has an architecture that we have. F32 tensors that are stored as we need them are mapped; all other
 * matrices are decoded from the file whenever they are needed: to fp32, or into their blocks where these are kept.
 * @throws E_NOT_FOUND, E_FORMAT, E_LIMIT, E_ARCHITECTURE, E_DTYPE, E_SHAPE: naming the file and the tensor
 */
export async function openGgufModel(path: string, { keepBlocks = false }: GgufOpenOptions = {}): Promise<GgufModel> {
  const file = await openGguf(path);
  requireReadable(file);
  const config = ggufModelConfig(file, await readRopeFactors(file));
  const places = ggufPlaces(config);
  const weights: Record<string, WeightSource> = {};
  const blocks = new Map<string, QuantizeOptions>();
  const tables = [embeddingName(config), headName].map((name) => `${name}.weight`);
  for (const [name, shape] of parameterShapes(config)) {
    const place = places.get(name)!;
    const wide = tables.includes(name); // their rows are looked up, which takes codes of 8 bits
    const layout = keepBlocks ? await keptLayout(file, place, shape, wide) : undefined;
    if (layout === undefined) weights[name] = await locate(file, place, shape);
    else {
      blocks.set(name, layout);
      Object.assign(weights, keptSources(file, place, name, shape, layout));
    }
  }
  return { config, weights, sha256: await sha256File(path), blocks: blocks.size === 0 ? undefined : blocks };
}

/** Divisors of the rotary frequencies: one for each pair that is turned, which is checked before they are read. */
async function readRopeFactors(file: GgufFile): Promise<RopeFactors> {
  const found: Record<string, Float32Array> = {};
  for (const [kind, name] of Object.entries(ropeFactorNames)) {
    const tensor = file.tensors.get(name);
    if (tensor === undefined) continue;
    const wanted = ggufTurned(file) / 2;
    if (tensor.shape.length !== 1 || tensor.shape[0] !== wanted)
      throw new AppError("E_SHAPE", `${file.path}: "${name}" should be [${wanted}], found [${tensor.shape}]`);
    found[kind] = await readGgufTensor(file, name);
  }
  return found;
}

/** How a weight is held in its own blocks; undefined where its type or its values have none that can be held. */
async function keptLayout(
  file: GgufFile,
  place: GgufPlace,
  shape: readonly number[],
  wide: boolean,
): Promise<QuantizeOptions | undefined> {
  const { name, type } = requireTensor(file, place, shape);
  const kept = keptBlocks(type, { wide });
  if (kept === undefined || shape.length !== 2 || place.offset !== 0) return undefined;
  if (kept.hasOffsets && blockOffsets(type, await readGgufBytes(file, name, rowsOf(place, shape))) === undefined)
    return undefined;
  return { ...kept, blockSize: keptBlockSize, symmetric: true };
}

/** A weight's codes, scales and offsets, each decoded when it is needed. */
function keptSources(
  file: GgufFile,
  place: GgufPlace,
  weight: string,
  shape: readonly number[],
  layout: QuantizeOptions,
): Record<string, DecodedSource> {
  const { name, type } = requireTensor(file, place, shape);
  const [outputs, inputs] = shape as readonly [number, number];
  const { packed, scales, offsets } = quantizedTensors(weight, outputs, inputs, layout);
  const wide = layout.bits !== keptBlocks(type)!.bits;
  const decoded = (tensor: QuantizedTensor, take: (bytes: Uint8Array) => Float32Array | Uint8Array): DecodedSource => {
    const read = async () => inOrder(take(await readGgufBytes(file, name, rowsOf(place, shape))), place, outputs);
    return { kind: "decoded", path: file.path, bytes: tensorBytes(tensor), read };
  };
  return {
    [packed!.name]: decoded(packed!, (bytes) => blockCodes(type, bytes, { wide })),
    [scales!.name]: decoded(scales!, (bytes) => blockScales(type, bytes)),
    ...(offsets && { [offsets.name]: decoded(offsets, (bytes) => blockOffsets(type, bytes)!) }),
  };
}

function requireTensor(file: GgufFile, { name, ...place }: GgufPlace, shape: readonly number[]): GgufTensor {
  const tensor = findGgufTensor(file, name);
  const wanted = place.rows === undefined ? (place.shape ?? shape) : [place.rows.of, ...shape.slice(1)];
  if (String(tensor.shape) !== String(wanted))
    throw new AppError("E_SHAPE", `${file.path}: "${name}" should be [${wanted}], found [${tensor.shape}]`);
  return tensor;
}

async function locate(file: GgufFile, place: GgufPlace, shape: readonly number[]): Promise<WeightSource> {
  const { name, pairedHeads, offset, rows } = place;
  const { path } = file;
  const tensor = requireTensor(file, place, shape);
  const bytes = 4 * shape.reduce((a, b) => a * b, 1);
  const isVector = shape.length === 1;
  if (tensor.type === "F32" && pairedHeads === undefined && offset === 0 && !isVector)
    return { kind: "file", path, offset: tensor.offset + (bytes / shape[0]!) * (rows?.from ?? 0), bytes };
  const read = async () => {
    const values = inOrder(await readGgufTensor(file, name, rowsOf(place, shape)), place, shape[0]!);
    return offset === 0 ? values : values.map((value) => value - offset);
  };
  // Vectors are small: in memory they do not keep the rest from being handed over there.
  return isVector ? { kind: "data", data: await read() } : { kind: "decoded", path, bytes, read };
}

/** Which of a tensor's rows a map has, where the tensor holds several. */
const rowsOf = ({ rows }: GgufPlace, shape: readonly number[]): GgufRows | undefined =>
  rows && { from: rows.from, count: shape[0]! };

/** Rows as a checkpoint has them. */
const inOrder = <T extends Float32Array | Uint8Array>(values: T, { pairedHeads }: GgufPlace, rows: number): T =>
  pairedHeads === undefined ? values : unpairRows(values, values.length / rows, pairedHeads);
