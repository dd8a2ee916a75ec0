/** @file What a combination does to each part's answers: the next token's logits, alone and combined. */
import { createCachedModel } from "../decode/cached-model.ts";
import { compareLogits } from "../decode/compare-logits.ts";
import { likeliest, logSumExp } from "../decode/sampling.ts";
import { encodeInput } from "../text/prompt.ts";
import type { CombinePart } from "./combine.ts";
import type { Pair } from "./pair-file.ts";
import type { Specialization } from "./specialization.ts";
import { specializedEdge } from "./specialized-edge.ts";

export type CombineEffect = {
  readonly name: string;
  readonly inputs: readonly {
    readonly input: string;
    /** Of the first answer token: how far its logits move at most from this part alone to the combination. */
    readonly largestChange: number;
    /** KL(alone ‖ combined) in nats. */
    readonly divergence: number;
    /** Whether the likeliest token stays. */
    readonly sameToken: boolean;
  }[];
};

/** Per part, on every input. The edge model, whose weights may be quantised, is compiled once for each part and once for the combination. */
export async function measureCombination(
  pair: Pair,
  combined: Specialization,
  parts: readonly CombinePart[],
  inputs: readonly string[],
): Promise<CombineEffect[]> {
  const ids = inputs.map((input) => encodeInput(pair.tokenizer, pair.layout, input));
  const together = await firstLogits(pair, combined, ids);
  const effects: CombineEffect[] = [];
  for (const { name, specialization } of parts) {
    const alone = await firstLogits(pair, specialization, ids);
    effects.push({ name, inputs: inputs.map((input, i) => ({ input, ...effectOn(alone[i]!, together[i]!) })) });
  }
  return effects;
}

async function firstLogits(
  pair: Pair,
  specialization: Specialization,
  sequences: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  await using model = await createCachedModel(await specializedEdge(pair, specialization));
  const found: Float32Array[] = [];
  for (const ids of sequences) {
    model.rewind([], { reuse: false });
    found.push((await model.feed(ids)).slice());
  }
  return found;
}

function effectOn(alone: Float32Array, together: Float32Array) {
  return {
    largestChange: compareLogits([alone], [together]).largestDifference,
    divergence: divergence(alone, together),
    sameToken: likeliest(alone) === likeliest(together),
  };
}

/** KL(alone ‖ together) in nats. */
function divergence(alone: Float32Array, together: Float32Array): number {
  const [totalAlone, totalTogether] = [logSumExp(alone), logSumExp(together)];
  let sum = 0;
  for (let i = 0; i < alone.length; i++) {
    const [a, b] = [alone[i]! - totalAlone, together[i]! - totalTogether];
    sum += Math.exp(a) * (a - b);
  }
  return Math.max(0, sum);
}
