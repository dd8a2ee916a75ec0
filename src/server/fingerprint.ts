/** @file What answers say of the models behind them: the same for the same edge model, generator and cloud model, as OpenAI's `system_fingerprint`. */
import type { EdgePair } from "../pair/pair.ts";
import type { Pair } from "../pair/pair-file.ts";

/** The cloud model comes last, where there is one here or the generator says which it was trained over; without it, it is the other's beginning. */
export function fingerprintOf({ edge, generator, cloud }: EdgePair & Partial<Pick<Pair, "cloud">>): string {
  const cloudSha256 = cloud?.sha256 ?? generator.trainedOver?.cloud ?? "";
  return `fp_${[edge.sha256, generator.sha256, cloudSha256].map((sha256) => sha256.slice(0, 6)).join("")}`;
}
