/** @file A model that answers any tokens with random logits: what decoding does with them is all that a test sees. */
import { createRng } from "../../src/base/rng.ts";
import type { CachedModel } from "../../src/decode/cached-model.ts";

const drawnFor = 16;

/**
 * Logits of a normal distribution, drawn anew for every 16th call and turned by a random offset for each; the same seed gives the same ones. `fed` counts the
 * calls that computed some. `likely` are made likelier, so that answers come to an end.
 */
export function randomLogits(
  vocab: number,
  seed: number | string,
  { likely = [] }: { readonly likely?: readonly number[] } = {},
): CachedModel & { readonly fed: () => number } {
  const rng = createRng(seed);
  const drawn = new Float32Array(vocab);
  const logits = new Float32Array(vocab);
  let calls = 0;
  const close = async () => undefined;
  return {
    capacity: 1 << 20,
    rewind: () => 0,
    async feed() {
      if (calls++ % drawnFor === 0) rng.fillNormal(drawn, 3);
      const offset = rng.int(vocab);
      logits.set(drawn.subarray(offset));
      logits.set(drawn.subarray(0, offset), vocab - offset);
      for (const id of likely) logits[id]! += 6;
      return logits;
    },
    feedAll: () => Promise.reject(new Error("not in use")),
    close,
    [Symbol.asyncDispose]: close,
    fed: () => calls,
  };
}
