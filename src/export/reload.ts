/** @file Exports that are models of ours when read back. */
import { createCachedModel } from "../decode/cached-model.ts";
import type { Adapter } from "../lora/low-rank.ts";
import { applyAdapter } from "../models/apply-adapter.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import type { Model } from "../models/model.ts";
import type { Reloaded } from "./format.ts";

/** A model's logits. */
export async function reloadModel(model: FrozenModel): Promise<Reloaded> {
  const cached = await createCachedModel(model);
  return {
    async logits(ids) {
      cached.rewind([], { reuse: false });
      return (await cached.feedAll(ids)).slice();
    },
    [Symbol.asyncDispose]: cached.close,
  };
}

/** The logits of a base model with an adapter: merged into dense weights, beside quantised ones. */
export const reloadAdapter = async (base: Model, adapter: Adapter): Promise<Reloaded> =>
  reloadModel(await applyAdapter(base, adapter));
