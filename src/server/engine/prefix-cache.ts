/** @file Keys and values of prompts that come again, up to a limit of bytes; the ones used last stay. */
import type { SavedPositions } from "../../decode/batch-model.ts";

export type PrefixCache = {
  get(key: string): SavedPositions | undefined;
  /** One that exceeds the limit alone is not kept. */
  put(key: string, saved: SavedPositions): void;
  readonly bytes: number;
};

const bytesOf = ({ values }: SavedPositions): number => values.reduce((sum, { byteLength }) => sum + byteLength, 0);

export function createPrefixCache(maxBytes: number): PrefixCache {
  const held = new Map<string, SavedPositions>(); // the one used last comes last
  let bytes = 0;
  const drop = (key: string): void => {
    const saved = held.get(key);
    if (saved === undefined) return;
    held.delete(key);
    bytes -= bytesOf(saved);
  };
  return {
    get(key) {
      const saved = held.get(key);
      if (saved === undefined) return undefined;
      held.delete(key);
      held.set(key, saved);
      return saved;
    },
    put(key, saved) {
      drop(key);
      const size = bytesOf(saved);
      if (size > maxBytes) return;
      for (const oldest of held.keys()) {
        if (bytes + size <= maxBytes) break;
        drop(oldest);
      }
      held.set(key, saved);
      bytes += size;
    },
    get bytes() {
      return bytes;
    },
  };
}
