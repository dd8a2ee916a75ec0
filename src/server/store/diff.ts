/** @file How two specialisations differ: gate by gate, prompt, constraint. */
import type { Specialization } from "../../pair/specialization.ts";

export type SpecializationDiff = {
  /** Gates that differ: layer, expert, and both values. */
  readonly gates: readonly {
    readonly layer: number;
    readonly expert: number;
    readonly from: number;
    readonly to: number;
  }[];
  /** Cosine of all gates; null where one has none. */
  readonly similarity: number | null;
  /** Null where one of the two is anonymous. */
  readonly samePrompt: boolean | null;
  readonly promptTokens: { readonly from: number; readonly to: number };
  readonly constraint: {
    readonly from: Specialization["constraint"] | null;
    readonly to: Specialization["constraint"] | null;
  } | null;
  readonly samePair: boolean;
};

export function diffSpecializations(a: Specialization, b: Specialization): SpecializationDiff {
  const gates: { layer: number; expert: number; from: number; to: number }[] = [];
  let [dot, aa, bb] = [0, 0, 0];
  for (let layer = 0; layer < Math.max(a.layers, b.layers); layer++)
    for (let expert = 0; expert < Math.max(a.experts, b.experts); expert++) {
      const [from, to] = [a.gates[layer]?.[expert] ?? 0, b.gates[layer]?.[expert] ?? 0];
      dot += from * to;
      aa += from * from;
      bb += to * to;
      if (from !== to) gates.push({ layer, expert, from, to });
    }
  const isSameConstraint = JSON.stringify(a.constraint) === JSON.stringify(b.constraint);
  return {
    gates,
    similarity: aa > 0 && bb > 0 ? dot / Math.sqrt(aa * bb) : null,
    samePrompt: a.promptHmac === undefined || b.promptHmac === undefined ? null : a.promptHmac === b.promptHmac,
    promptTokens: { from: a.promptTokens, to: b.promptTokens },
    constraint: isSameConstraint ? null : { from: a.constraint ?? null, to: b.constraint ?? null },
    samePair: a.edgeSha256 === b.edgeSha256 && a.generatorSha256 === b.generatorSha256,
  };
}
