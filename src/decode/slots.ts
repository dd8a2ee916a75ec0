/** @file What a slot keeps of its sequence: all positions, or of layers that see a window, or convolve, those that are still read. */
import type { ModelConfig } from "../models/config.ts";
import { type CacheEntry, cacheEntries } from "./graph.ts";
import { inSteps, reachOf, roomStep } from "./key-value-cache.ts";

/** Most tokens that are read at once behind a sequence. Prompts that are read together have as many. */
export const pieceTokens = 256;

export type SlotLayout = {
  /** Positions that a slot has room for of an entry, where its sequence may have `room`. */
  roomOf(entry: CacheEntry, room: number): number;
  /**
   * The first position that is kept of entries with a reach. What is held decides it alone, so what is computed does not depend on what is
   * beside it.
   */
  nearFrom(held: number): number;
  /** Bytes of a slot with room for so many positions. */
  bytesOf(room: number): number;
  /** Bytes of what is kept of a sequence. */
  keptBytes(held: number): number;
};

export function slotLayout(config: ModelConfig): SlotLayout {
  const reach = reachOf(config) ?? 0;
  const nearRoom = inSteps(reach + roomStep + pieceTokens);
  const roomOf = (entry: CacheEntry, room: number): number =>
    entry.reach === undefined ? room : Math.min(room, nearRoom);
  const nearFrom = (held: number): number => Math.max(0, Math.floor((held - reach) / roomStep) * roomStep);
  const entries = cacheEntries(config);
  const bytes = (positionsOf: (entry: CacheEntry) => number): number =>
    entries.reduce((sum, entry) => sum + 4 * entry.heads * entry.width * positionsOf(entry), 0);
  return {
    roomOf,
    nearFrom,
    bytesOf: (room) => bytes((entry) => roomOf(entry, room)),
    keptBytes: (held) => bytes(({ reach }) => held - (reach === undefined ? 0 : nearFrom(held))),
  };
}
