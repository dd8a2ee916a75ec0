/** @file Gumbel noise on the router's logits: fresh in every training step, and drawn from the prompt where inference has it too (`gumbelNoise`). */
import { createRng, type Rng } from "../base/rng.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { logitCount, type PairShape } from "./parameters.ts";
import { routerInputs, takesGumbelNoise } from "./router.ts";
import type { RouterMode } from "./router-norm.ts";

/** Noise for so many prompts, −log(−log u) for uniform u; nothing where the router takes none. */
export function gumbelFeeds(
  { edge, generator }: Pick<PairShape, "edge" | "generator">,
  prompts: number,
  rng: Rng,
  mode: Pick<RouterMode, "training">,
): Feeds {
  if (!takesGumbelNoise(generator, mode)) return {};
  const shape = [prompts, edge.layers, logitCount(generator)];
  const noise = Float32Array.from(
    { length: shape.reduce((a, b) => a * b) },
    () => -Math.log(-Math.log(rng.next() || 1e-12)),
  );
  return { [routerInputs.gumbel]: floatTensor(shape, noise) };
}

/** The noise of one prompt at inference: the same prompt, by its hash, always has the same. */
export const promptGumbelFeeds = (shape: Pick<PairShape, "edge" | "generator">, promptSha256: string): Feeds =>
  gumbelFeeds(shape, 1, createRng(`gumbel ${promptSha256}`), { training: false });
