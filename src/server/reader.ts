/** @file What reads prompts: the same hash where the same prompt becomes the same gates, with the same warnings. */
import { sha256 } from "../base/hash.ts";
import { encodeKnownPrompts } from "../pair/known-prompts.ts";
import type { Pair } from "../pair/pair-file.ts";

export function readerOf({ edge, generator, cloud, cloudLayout, known }: Pair): string {
  const held = cloud.quantization ?? cloud.widenedFrom ?? null;
  const measured = known === undefined ? null : sha256(encodeKnownPrompts(known));
  return sha256(JSON.stringify([edge.sha256, generator.sha256, cloud.sha256, held, cloudLayout, measured]));
}
