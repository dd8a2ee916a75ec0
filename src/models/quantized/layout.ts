/** @file Which weights of a model are quantised, and how: its layers at the bits asked for, embeddings and head always at 8, in blocks of their own. */
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { type QuantizedBlocks, type QuantizeOptions, quantizeBlocks } from "../../nn/quantize.ts";
import { type LayoutOf, type QuantizedTensor, quantizedTensors } from "../../nn/quantized.ts";
import type { WeightSource } from "../../runtime/session.ts";
import type { ModelConfig } from "../config.ts";
import { embeddingName, headName, layerMaps, linearName, parameterShapes } from "../parameters.ts";

/** How many values of a row may share a scale. Larger blocks are read faster, smaller ones are closer to the weights. */
export const blockSizes = [32, 64, 128] as const;
/** One of them, as a file says it. */
export const BlockSize = z.literal([...blockSizes]);
export type BlockSize = z.infer<typeof BlockSize>;
/** The size that a flag spells, if it is one. */
export const blockSizeOf = (text: string | undefined): BlockSize | undefined =>
  blockSizes.find((size) => String(size) === text);
export const defaultBlockSize: BlockSize = 32;

/** Weight-only, in blocks along a row. Symmetric codes need no zero points; asymmetric ones fit skewed blocks better. */
export type Quantization = {
  readonly bits: 4 | 8;
  readonly symmetric: boolean;
  /** Of the layers. */
  readonly blockSize?: BlockSize;
  /** Of embeddings and head; where there is none, that of `smallestRows`. */
  readonly tableBlockSize?: BlockSize;
};

/** With nothing left to a default: what a model that is quantised says of itself. */
export type ResolvedQuantization = Required<Quantization>;

/** By the names that flags, configurations and messages use: bits, the size of blocks where it is not 32, and `-asymmetric`. */
export const quantizations = {
  int8: { bits: 8, symmetric: true },
  "int8-64": { bits: 8, symmetric: true, blockSize: 64 },
  "int8-128": { bits: 8, symmetric: true, blockSize: 128 },
  int4: { bits: 4, symmetric: true },
  "int4-64": { bits: 4, symmetric: true, blockSize: 64 },
  "int4-128": { bits: 4, symmetric: true, blockSize: 128 },
  "int8-asymmetric": { bits: 8, symmetric: false },
  "int8-64-asymmetric": { bits: 8, symmetric: false, blockSize: 64 },
  "int8-128-asymmetric": { bits: 8, symmetric: false, blockSize: 128 },
  "int4-asymmetric": { bits: 4, symmetric: false },
  "int4-64-asymmetric": { bits: 4, symmetric: false, blockSize: 64 },
  "int4-128-asymmetric": { bits: 4, symmetric: false, blockSize: 128 },
} as const satisfies Readonly<Record<string, Quantization>>;

export type QuantizationName = keyof typeof quantizations;
export const quantizationNames = Object.keys(quantizations) as QuantizationName[];

/** The name of a quantisation, as in `quantizations`. */
export const quantizationName = ({ bits, symmetric, blockSize = defaultBlockSize }: Quantization): QuantizationName =>
  `int${bits}${blockSize === defaultBlockSize ? "" : (`-${blockSize}` as const)}${symmetric ? "" : "-asymmetric"}`;

/**
 * The size of blocks in which a row of embeddings or head takes the least room, scales and what fills up the last block included, zero
 * points aside; of two the larger. In 8 bits larger blocks are hardly further from the weights, and the head is read for every token.
 */
export function smallestRows({ hidden }: Pick<ModelConfig, "hidden">): BlockSize {
  const bytes = (size: BlockSize) => Math.ceil(hidden / size) * (size + 4);
  return blockSizes.reduce((best, size) => (bytes(size) <= bytes(best) ? size : best));
}

/** What a quantisation means for a model. */
export const resolveQuantization = (
  config: Pick<ModelConfig, "hidden">,
  { bits, symmetric, blockSize = defaultBlockSize, tableBlockSize = smallestRows(config) }: Quantization,
): ResolvedQuantization => ({ bits, symmetric, blockSize, tableBlockSize });

/** The layout of every linear map and table by its name. Norms, biases and learned positions stay as they are. */
export function quantizedLayout(config: ModelConfig, quantization: Quantization): LayoutOf {
  const { bits, symmetric, blockSize, tableBlockSize } = resolveQuantization(config, quantization);
  const layer: QuantizeOptions = { bits, blockSize, symmetric };
  const table: QuantizeOptions = { bits: 8, blockSize: tableBlockSize, symmetric };
  const layouts = new Map<string, QuantizeOptions>();
  for (let i = 0; i < config.layers; i++)
    for (const target of layerMaps(config, i)) layouts.set(linearName(config, i, target), layer);
  // Few of a row's embeddings are read at a time, and the head decides between near words: both keep 8 bits.
  for (const name of [embeddingName(config), headName]) layouts.set(name, table);
  return (name) => layouts.get(name);
}

/** Throws E_CONFIG where a model is quantised in another way than is asked for. Any size of blocks will do where none is named. */
export function requireQuantization(what: string, found: ResolvedQuantization, wanted: Quantization | undefined): void {
  if (wanted === undefined) return;
  const [has, asked] = [quantizationName(found), quantizationName({ ...found, ...wanted })];
  const { tableBlockSize = found.tableBlockSize } = wanted;
  if (has === asked && tableBlockSize === found.tableBlockSize) return;
  const tables = (size: BlockSize) =>
    tableBlockSize === found.tableBlockSize ? "" : ` with embeddings and head in blocks of ${size}`;
  throw new AppError(
    "E_CONFIG",
    `${what}: is quantised to ${has}${tables(found.tableBlockSize)}, asked for ${quantizationName(wanted)}${tables(tableBlockSize)}: quantise the model it was made from`,
  );
}

/** The tensors that hold a weight: the weight itself, or its codes, scales and zero points. */
export type StoredWeight = {
  readonly name: string;
  readonly shape: readonly number[];
  readonly layout: QuantizeOptions | undefined;
  readonly tensors: readonly QuantizedTensor[];
};

/** Every weight of a quantised model in checkpoint order. */
export const storedWeights = (config: ModelConfig, quantization: Quantization): StoredWeight[] =>
  weightsHeldAs(config, quantizedLayout(config, quantization));

/** The same of a model whose layouts are known by the names of its maps. */
export function weightsHeldAs(config: ModelConfig, layoutOf: LayoutOf): StoredWeight[] {
  return [...parameterShapes(config)].map(([name, shape]) => {
    const layout = layoutOf(name.replace(/\.weight$/, ""));
    if (layout === undefined) return { name, shape, layout, tensors: [{ name, shape, dtype: "f32" }] };
    const [outputs, inputs] = shape as readonly [number, number];
    const tensors = Object.values(quantizedTensors(name, outputs, inputs, layout)).filter((t) => t !== undefined);
    return { name, shape, layout, tensors };
  });
}

/** The values of a weight's tensors, in their order. Throws E_NAN naming the weight. */
export function storeWeight(
  { name, shape, layout }: StoredWeight,
  values: Float32Array,
): (Float32Array | Uint8Array)[] {
  if (layout === undefined) return [values];
  const [outputs, inputs] = shape as readonly [number, number];
  try {
    return tensorValues(quantizeBlocks(values, outputs, inputs, layout));
  } catch (error) {
    if (error instanceof AppError) throw new AppError(error.code, `${name}: ${error.message}`, { cause: error });
    throw error;
  }
}

const tensorValues = ({ packed, scales, zeros }: QuantizedBlocks): (Float32Array | Uint8Array)[] =>
  zeros === undefined ? [packed, scales] : [packed, scales, zeros];

/** Values in memory as the sources of a weight's tensors. */
export const sourcesOf = (
  { tensors }: StoredWeight,
  data: readonly (Float32Array | Uint8Array)[],
): [string, WeightSource][] => tensors.map(({ name }, i) => [name, { kind: "data", data: data[i]! }]);
