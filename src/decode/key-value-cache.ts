/** @file What is kept of the positions read so far, keys and values and what convolutions read, in memory that fits it closely. */
import type { ModelConfig } from "../models/config.ts";
import { floats, type Tensor, tensor, zeros } from "../runtime/tensor.ts";
import { type CacheEntry, cacheEntries, inputsRead } from "./graph.ts";

export type KeyValueCache = {
  /** Positions there is room for. */
  readonly room: number;
  /** Inputs: `past.i.k`, `past.i.v`, each (1, kvHeads, room, headDim). */
  readonly past: Readonly<Record<string, Tensor>>;
  /** Outputs: the same memory as `past`. */
  readonly present: Readonly<Record<string, Tensor>>;
  /** By `past.i.inputs`: what a layer's convolution read at every position, (1, 1, room, hidden), so that a sequence can go back to any of them. */
  readonly inputs: Readonly<Record<string, Tensor<"f32">>>;
};

/** Rooms are multiples of this many positions. */
const roomStep = 64;

/**
 * The cache with room for `positions`, what the first `held` of them hold kept.
 *
 * ONNX Runtime writes new keys and values in place. Room follows the sequence in small steps, also back down: memory for what was read, not
 * for the longest sequence at once. Growing copies what is held.
 */
export function withRoom(
  cache: KeyValueCache | undefined,
  config: ModelConfig,
  { positions, held }: { readonly positions: number; readonly held: number },
): KeyValueCache {
  const wanted = Math.ceil(positions / roomStep) * roomStep;
  if (cache !== undefined && cache.room >= wanted && cache.room <= 2 * wanted) return cache;
  const past: Record<string, Tensor> = {};
  const present: Record<string, Tensor> = {};
  const inputs: Record<string, Tensor<"f32">> = {};
  for (const entry of cacheEntries(config)) {
    const { past: name, present: returned, isInPlace } = entry;
    const grown = moved(cache?.past[name] ?? cache?.inputs[name], entry, { room: wanted, held });
    if (isInPlace) present[returned] = past[name] = grown;
    else inputs[name] = grown;
  }
  return { room: wanted, past, present, inputs };
}

function moved(
  from: Tensor | undefined,
  { heads, width }: CacheEntry,
  { room, held }: { readonly room: number; readonly held: number },
): Tensor<"f32"> {
  const to = zeros("f32", [1, heads, room, width]);
  if (from === undefined) return to;
  const oldRoom = from.shape[2]!;
  for (let head = 0; head < heads; head++) {
    const start = head * oldRoom * width;
    to.data.set((from.data as Float32Array).subarray(start, start + held * width), head * room * width);
  }
  return to;
}

/** Inputs: `past.i.inputs` (1, width − 1, hidden), what convolutions read last of the first `held` positions; zeros before the first. */
export function lastInputs(
  { inputs }: Pick<KeyValueCache, "inputs">,
  config: ModelConfig,
  held: number,
): Record<string, Tensor> {
  const count = inputsRead(config);
  const feeds: Record<string, Tensor> = {};
  for (const [name, { data }] of Object.entries(inputs))
    feeds[name] = tensor("f32", [1, count, config.hidden], lastRows(data, config.hidden, { held, count }));
  return feeds;
}

/** The last `count` of the first `held` rows of a width, zeros before the first: (count, width). */
export function lastRows(
  data: Float32Array,
  width: number,
  { held, count }: { readonly held: number; readonly count: number },
): Float32Array {
  const rows = new Float32Array(count * width);
  const found = Math.min(held, count);
  rows.set(data.subarray((held - found) * width, held * width), (count - found) * width);
  return rows;
}

/** Takes up what convolutions read of new tokens, behind the first `held` positions. */
export function keepInputs(
  { inputs }: Pick<KeyValueCache, "inputs">,
  config: ModelConfig,
  held: number,
  results: Readonly<Record<string, Tensor>>,
): void {
  for (const { past, present, isInPlace, width } of cacheEntries(config))
    if (!isInPlace) inputs[past]!.data.set(floats(results[present]), held * width);
}
