/**
 * @file One edge model, many specialisations: gates are an input of its decoder, so another specialisation takes their place in no time.
 */
import { createCachedModel } from "../decode/cached-model.ts";
import { type Decoder, type DecoderOptions, decoderOver } from "../decode/decoder.ts";
import { gateCount } from "../generator/generations.ts";
import { zeros } from "../runtime/tensor.ts";
import { gatedExperts, gateValues, requirePool } from "./gated-edge.ts";
import type { MergeOptions } from "./merge.ts";
import type { EdgePair } from "./pair.ts";
import type { Specialization } from "./specialization.ts";

export type SwappableDecoder = Decoder & {
  /**
   * Answers by another specialisation from now on; `undefined`: by the base model. Waits for calls under way. What the cache holds was
   * computed by the specialisation before, so it is let go.
   * @throws E_MISMATCH where the specialisation was made for another pair, and for a strength of 0; E_USAGE for one that this pool cannot have
   */
  swap(specialization: Specialization | undefined, options?: MergeOptions): Promise<void>;
};

/**
 * Compiles the edge model of a pair for decoding, unspecialised at first. Its weights may be quantised.
 * @throws E_CONFIG for a generator without a pool, and as `createDecoder`
 */
export async function createSwappableDecoder(pair: EdgePair, options: DecoderOptions = {}): Promise<SwappableDecoder> {
  requirePool(pair);
  const gates = zeros("f32", [1, pair.shape.edge.layers, gateCount(pair.shape)]);
  const { change, feeds } = gatedExperts(pair);
  const { reusePrefix, now, ...rest } = options;
  const cached = await createCachedModel(pair.edge, { ...rest, change: { ...change, feeds: feeds(gates) } });
  const decoder = decoderOver(cached, pair.edge.config, {
    ...(reusePrefix === undefined ? {} : { reusePrefix }),
    ...(now === undefined ? {} : { now }),
  });
  return {
    ...decoder,
    swap: (specialization, options = {}) =>
      decoder.between(() => {
        if (specialization === undefined) gates.data.fill(0);
        else gates.data.set(gateValues(pair, specialization, options));
        cached.rewind([], { reuse: false });
      }),
  };
}
