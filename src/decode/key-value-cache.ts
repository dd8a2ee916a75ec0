/** @file The keys and values of the positions read so far, in memory that fits them closely. */
import type { ModelConfig } from "../models/config.ts";
import { type Tensor, zeros } from "../runtime/tensor.ts";
import { cacheNames } from "./graph.ts";

export type KeyValueCache = {
  /** Inputs: `past.i.k`, `past.i.v`, each (1, kvHeads, room, headDim). */
  readonly past: Readonly<Record<string, Tensor>>;
  /** Outputs: the same memory as `past`. */
  readonly present: Readonly<Record<string, Tensor>>;
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
  if (cache !== undefined) {
    const room = cache.past[cacheNames(0).pastK]!.shape[2]!;
    if (room >= wanted && room <= 2 * wanted) return cache;
  }
  const past: Record<string, Tensor> = {};
  const present: Record<string, Tensor> = {};
  for (let layer = 0; layer < config.layers; layer++) {
    const { pastK, pastV, presentK, presentV } = cacheNames(layer);
    present[presentK] = past[pastK] = moved(cache?.past[pastK], config, { room: wanted, held });
    present[presentV] = past[pastV] = moved(cache?.past[pastV], config, { room: wanted, held });
  }
  return { past, present };
}

function moved(
  from: Tensor | undefined,
  { kvHeads, headDim }: ModelConfig,
  { room, held }: { readonly room: number; readonly held: number },
): Tensor<"f32"> {
  const to = zeros("f32", [1, kvHeads, room, headDim]);
  if (from === undefined) return to;
  const oldRoom = from.shape[2]!;
  for (let head = 0; head < kvHeads; head++) {
    const start = head * oldRoom * headDim;
    to.data.set((from.data as Float32Array).subarray(start, start + held * headDim), head * room * headDim);
  }
  return to;
}
