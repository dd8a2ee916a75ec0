/** @file A model in a GGUF file: its shape, and where each of its weights lies. */
import { AppError } from "../../base/errors.ts";
import { sha256File } from "../../base/hash-file.ts";
import { hasKeptBlocks, keptBlockSize, splitBlocks } from "../../files/gguf/blocks.ts";
import {
  findGgufTensor,
  type GgufFile,
  type GgufTensor,
  openGguf,
  readGgufBytes,
  readGgufTensor,
  requireReadable,
} from "../../files/gguf/read.ts";
import { unpairRows } from "../../files/gguf/rows.ts";
import type { QuantizedBlocks, QuantizeOptions } from "../../nn/quantize.ts";
import { quantizedTensors } from "../../nn/quantized.ts";
import type { WeightSource } from "../../runtime/session.ts";
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
 * Opens a model for which llama.cpp has an architecture that we have. F32 tensors that are stored as we need them stay in the file and are
 * mapped; of all others the values are read into memory: as fp32, or in their blocks where these are kept.
 * @throws E_NOT_FOUND, E_FORMAT, E_LIMIT, E_ARCHITECTURE, E_DTYPE, E_SHAPE: naming the file and the tensor
 */
export async function openGgufModel(path: string, { keepBlocks = false }: GgufOpenOptions = {}): Promise<GgufModel> {
  const file = await openGguf(path);
  requireReadable(file);
  const config = ggufModelConfig(file, await readRopeFactors(file));
  const places = ggufPlaces(config);
  const read = lastTensor(file);
  const weights: Record<string, WeightSource> = {};
  const blocks = new Map<string, QuantizeOptions>();
  const tables = [embeddingName(config), headName].map((name) => `${name}.weight`);
  for (const [name, shape] of parameterShapes(config)) {
    const place = places.get(name)!;
    const wide = tables.includes(name); // their rows are looked up, which takes codes of 8 bits
    const kept = keepBlocks ? await keepTensor(file, place, shape, wide) : undefined;
    if (kept === undefined) weights[name] = await locate(file, place, shape, read);
    else {
      blocks.set(name, kept.layout);
      const [outputs, inputs] = shape as readonly [number, number];
      for (const [part, tensor] of Object.entries(quantizedTensors(name, outputs, inputs, kept.layout)))
        if (tensor !== undefined)
          weights[tensor.name] = { kind: "data", data: kept.values[part as keyof QuantizedBlocks]! };
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

/** A weight in its own blocks; undefined where its type or its values have none that can be held. */
async function keepTensor(
  file: GgufFile,
  place: GgufPlace,
  shape: readonly number[],
  wide: boolean,
): Promise<{ readonly layout: QuantizeOptions; readonly values: QuantizedBlocks } | undefined> {
  const { name, type } = requireTensor(file, place, shape);
  if (!hasKeptBlocks(type) || shape.length !== 2 || place.offset !== 0) return undefined;
  const split = splitBlocks(type, await readGgufBytes(file, name), { wide });
  if (split === undefined) return undefined;
  const { bits, packed, scales, offsets } = split;
  const blocks = shape[1]! / keptBlockSize;
  const { pairedHeads: heads } = place;
  const ordered = <T extends Float32Array | Uint8Array>(values: T, perBlock = 1): T => {
    const own = rowsOf(values, blocks * perBlock, place, shape);
    return heads === undefined ? own : unpairRows(own, blocks * perBlock, heads);
  };
  const values: QuantizedBlocks = {
    packed: ordered(packed, (keptBlockSize * bits) / 8),
    scales: ordered(scales),
    zeros: undefined,
    offsets: offsets && ordered(offsets),
  };
  return {
    layout: { bits, blockSize: keptBlockSize, symmetric: true, hasOffsets: offsets !== undefined },
    values,
  };
}

function requireTensor(file: GgufFile, { name, ...place }: GgufPlace, shape: readonly number[]): GgufTensor {
  const tensor = findGgufTensor(file, name);
  const wanted = place.rows === undefined ? (place.shape ?? shape) : [place.rows.of, ...shape.slice(1)];
  if (String(tensor.shape) !== String(wanted))
    throw new AppError("E_SHAPE", `${file.path}: "${name}" should be [${wanted}], found [${tensor.shape}]`);
  return tensor;
}

async function locate(
  file: GgufFile,
  place: GgufPlace,
  shape: readonly number[],
  read: (name: string) => Promise<Float32Array>,
): Promise<WeightSource> {
  const { name, pairedHeads, offset, rows } = place;
  const tensor = requireTensor(file, place, shape);
  const width = shape.length === 1 ? 1 : shape.at(-1)!;
  // Vectors are small: in memory they do not keep the rest from being handed over there.
  if (tensor.type === "F32" && pairedHeads === undefined && offset === 0 && shape.length > 1) {
    const bytes = 4 * shape.reduce((a, b) => a * b, 1);
    return { kind: "file", path: file.path, offset: tensor.offset + 4 * width * (rows?.from ?? 0), bytes };
  }
  const own = rowsOf(await read(name), width, place, shape);
  const ordered = pairedHeads === undefined ? own : unpairRows(own, width, pairedHeads);
  return { kind: "data", data: offset === 0 ? ordered : ordered.map((value) => value - offset) };
}

/** A map's own rows of a tensor's values, `perRow` each. */
const rowsOf = <T extends Float32Array | Uint8Array>(
  values: T,
  perRow: number,
  { rows }: GgufPlace,
  shape: readonly number[],
): T => (rows === undefined ? values : (values.slice(rows.from * perRow, (rows.from + shape[0]!) * perRow) as T));

/** Reads a tensor once for all of its maps, which follow each other; only the last one is held. */
function lastTensor(file: GgufFile): (name: string) => Promise<Float32Array> {
  let last: { readonly name: string; readonly values: Promise<Float32Array> } | undefined;
  return (name) => {
    if (last?.name !== name) last = { name, values: readGgufTensor(file, name) };
    return last.values;
  };
}
