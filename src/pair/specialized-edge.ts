/** @file The edge model of a pair, specialised: merged where its weights are dense, with the LoRA beside them where they are quantised. */
import { applyAdapter } from "../models/apply-adapter.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { assembleLora, type MergeOptions } from "./merge.ts";
import type { EdgePair } from "./pair.ts";
import type { Specialization } from "./specialization.ts";

/** Throws E_MISMATCH where the specialisation was made for another pair. */
export async function specializedEdge(
  pair: EdgePair,
  specialization: Specialization,
  { scale, device }: MergeOptions = {},
): Promise<FrozenModel> {
  const adapter = assembleLora(pair, specialization, scale === undefined ? {} : { scale });
  return applyAdapter(pair.edge, adapter, device === undefined ? {} : { device });
}
