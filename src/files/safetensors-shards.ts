/** @file A model's tensors divided over several safetensors files: which go where, what the files are called, and their index. */
import { join } from "node:path";
import { writeJsonFile } from "../base/json-file.ts";

/** Neighbours in files of at most `shardBytes`, or of one entry that is larger. */
export function planShards<T>(entries: Iterable<T>, bytesOf: (entry: T) => number, shardBytes: number): T[][] {
  const shards: T[][] = [];
  let room = 0;
  for (const entry of entries) {
    const bytes = bytesOf(entry);
    if (shards.length === 0 || bytes > room) {
      shards.push([]);
      room = shardBytes;
    }
    shards.at(-1)!.push(entry);
    room -= bytes;
  }
  return shards;
}

/** What transformers calls the file at an index. */
export function shardName(index: number, count: number): string {
  const number = (value: number) => String(value).padStart(5, "0");
  return count === 1 ? "model.safetensors" : `model-${number(index + 1)}-of-${number(count)}.safetensors`;
}

/** Writes which file holds each tensor, given the names in every file; nothing where there is one file. */
export async function writeShardIndex(
  directory: string,
  shards: readonly (readonly string[])[],
  totalBytes: number,
): Promise<void> {
  if (shards.length === 1) return;
  const placed = shards.flatMap((names, i) => names.map((name) => [name, shardName(i, shards.length)] as const));
  await writeJsonFile(join(directory, "model.safetensors.index.json"), {
    metadata: { total_size: totalBytes },
    weight_map: Object.fromEntries(placed),
  });
}
