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
  /** By `past.i.inputs`: what a layer's convolution read at the positions that are held, (1, 1, room, hidden). */
  readonly inputs: Readonly<Record<string, Tensor<"f32">>>;
  /** Of entries with a reach, which hold the last positions alone. */
  readonly near: Near;
};

/** The first position that is held, and how many there is room for from there. */
type Near = { readonly from: number; readonly room: number };

/** Rooms are multiples of this many positions. */
export const roomStep = 64;

/** How many positions a sequence can always go back without being read anew; as many are read before old ones are forgotten again. */
export const goingBack = 256;

export const inSteps = (positions: number): number => Math.ceil(positions / roomStep) * roomStep;

/** How many positions before the next one are still read where not all are; undefined: all are everywhere. */
export function reachOf(config: ModelConfig): number | undefined {
  if (config.windows.length === 0 && config.convolution === undefined) return undefined;
  const reaches = cacheEntries(config).flatMap(({ reach }) => reach ?? []);
  return reaches.length === 0 ? undefined : Math.max(...reaches);
}

/**
 * The cache with room for `positions`, what the first `held` of them hold kept.
 *
 * ONNX Runtime writes new keys and values in place. Room follows the sequence in small steps, also back down: memory for what was read, not
 * for the longest sequence at once. Growing copies what is held.
 * @param forgets whether entries with a reach let go of positions that are no longer read, but for the last `goingBack` of them
 */
export function withRoom(
  cache: KeyValueCache | undefined,
  config: ModelConfig,
  {
    positions,
    held,
    forgets = false,
  }: { readonly positions: number; readonly held: number; readonly forgets?: boolean },
): KeyValueCache {
  const wanted = inSteps(positions);
  const isFitting = cache !== undefined && cache.room >= wanted && cache.room <= 2 * wanted;
  const room = isFitting ? cache.room : wanted;
  const reach = forgets ? reachOf(config) : undefined;
  const near = reach === undefined ? { from: 0, room } : nearRoom(cache?.near, { positions, held, reach });
  if (isFitting && near.from === cache.near.from && near.room === cache.near.room) return cache;
  const past: Record<string, Tensor> = {};
  const present: Record<string, Tensor> = {};
  const inputs: Record<string, Tensor<"f32">> = {};
  for (const entry of cacheEntries(config)) {
    const { past: name, present: returned, isInPlace } = entry;
    const before = cache?.past[name] ?? cache?.inputs[name];
    const [from, to] = entry.reach === undefined ? [0, { from: 0, room }] : [cache?.near.from ?? 0, near];
    const isSame = before !== undefined && before.shape[2] === to.room && from === to.from;
    const kept = isSame ? (before as Tensor<"f32">) : moved(before, entry, { from, to, held });
    if (isInPlace) present[returned] = past[name] = kept;
    else inputs[name] = kept;
  }
  return { room, past, present, inputs, near };
}

type Needed = { readonly positions: number; readonly held: number; readonly reach: number };

function nearRoom(current: Near = { from: 0, room: 0 }, { positions, held, reach }: Needed): Near {
  const needed = inSteps(positions - current.from);
  if (current.room >= needed && current.room <= 2 * needed + 2 * goingBack) return current;
  const from = Math.max(current.from, held - reach - goingBack);
  return { from, room: inSteps(positions - from + (from > 0 ? goingBack : 0)) };
}

/** Whether a sequence can go on behind its first `held` positions. */
export function canGoBack({ near }: KeyValueCache, config: ModelConfig, held: number): boolean {
  return near.from === 0 || held - (reachOf(config) ?? 0) >= near.from;
}

/** The same memory, of which nothing is held. */
export const restarted = (cache: KeyValueCache): KeyValueCache => ({ ...cache, near: { ...cache.near, from: 0 } });

type Move = { readonly from: number; readonly to: Near; readonly held: number };

/** The positions of a tensor that begins at `from`, as they lie in another that begins at `to.from`. */
function moved(tensor: Tensor | undefined, { heads, width }: CacheEntry, { from, to, held }: Move): Tensor<"f32"> {
  const grown = zeros("f32", [1, heads, to.room, width]);
  if (tensor === undefined) return grown;
  const oldRoom = tensor.shape[2]!;
  for (let head = 0; head < heads; head++) {
    const start = (head * oldRoom + to.from - from) * width;
    const count = (held - to.from) * width;
    grown.data.set((tensor.data as Float32Array).subarray(start, start + count), head * to.room * width);
  }
  return grown;
}

/** Inputs: `past.i.inputs` (1, width − 1, hidden), what convolutions read last of the first `held` positions; zeros before the first. */
export function lastInputs({ inputs, near }: KeyValueCache, config: ModelConfig, held: number): Record<string, Tensor> {
  const count = inputsRead(config);
  const feeds: Record<string, Tensor> = {};
  for (const [name, { data }] of Object.entries(inputs))
    feeds[name] = tensor(
      "f32",
      [1, count, config.hidden],
      lastRows(data, config.hidden, { held: held - near.from, count }),
    );
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
  { inputs, near }: KeyValueCache,
  config: ModelConfig,
  held: number,
  results: Readonly<Record<string, Tensor>>,
): void {
  if (config.convolution === undefined) return;
  for (const { past, present, isInPlace, width } of cacheEntries(config))
    if (!isInPlace) inputs[past]!.data.set(floats(results[present]), (held - near.from) * width);
}
