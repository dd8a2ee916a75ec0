/** @file The token sequences that exports are verified on. */
import { createRng } from "../base/rng.ts";
import type { ModelConfig } from "../models/config.ts";
import type { Reloaded } from "./format.ts";

/** Largest difference of a logit, as a share of the largest: the readers compute the same sums, some in another order. */
export const exportTolerance = 1e-4;

/** Token ids that no text would have, of several lengths: the same for every export of a model. */
function probes({ vocab, context, bosId }: ModelConfig): number[][] {
  const rng = createRng("export probes");
  return [1, 17, 48].map((length) =>
    Array.from({ length: Math.min(length, context) }, (_, i) =>
      i === 0 && bosId !== undefined ? bosId : rng.int(vocab),
    ),
  );
}

/** At how many positions logits are compared. */
export const probePositions = (config: ModelConfig): number => probes(config).reduce((sum, ids) => sum + ids.length, 0);

/** Opens a model for its logits behind every position of the probes, and closes it. */
export async function logitsOfProbes(config: ModelConfig, open: () => Promise<Reloaded>): Promise<Float32Array[]> {
  await using model = await open();
  const found: Float32Array[] = [];
  for (const ids of probes(config)) found.push(await model.logits(ids));
  return found;
}
