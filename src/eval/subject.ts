/** @file What is evaluated: a pair, or a model alone. */
import { sha256 } from "../base/hash.ts";
import type { Subject } from "../methods/method.ts";
import type { Pair } from "../pair/pair-file.ts";
import { encodeSpecialization, type Specialization } from "../pair/specialization-file.ts";
import { createSpecializer } from "../pair/specialize.ts";
import { specializedEdge } from "../pair/specialized-edge.ts";
import type { CompileOptions } from "../runtime/session.ts";

/** Holds the cloud model's session: close it. */
export type PairSubject = Subject & AsyncDisposable & Required<Pick<Subject, "specialize">>;

/** A pair's edge model and generator. The cloud model is compiled at the first specialisation, and reads each prompt once. */
export function pairSubject(pair: Pair, options: Pick<CompileOptions, "threads" | "device"> = {}): PairSubject {
  let specializer: ReturnType<typeof createSpecializer> | undefined;
  const known = new Map<string, Specialization>();
  return {
    name: pair.name,
    sha256: pairHash(pair),
    model: pair.edge,
    tokenizer: pair.tokenizer,
    layout: pair.layout,
    async specialize(prompt) {
      specializer ??= createSpecializer(pair, options);
      const specialization = known.get(prompt) ?? (await (await specializer).specialize(prompt));
      known.set(prompt, specialization);
      const read = specialization.promptTokens + specialization.layers;
      return {
        model: await specializedEdge(pair, specialization),
        bytes: encodeSpecialization(specialization).length,
        flops: 2 * pair.cloud.parameterCount * read,
      };
    },
    [Symbol.asyncDispose]: async () => (await specializer)?.close(),
  };
}

/** Of all weights, and of how they are held: a quantised model has the hash of the one it was made from, and codes round their inputs. */
function pairHash({ cloud, edge, generator }: Pair): string {
  const parts = [cloud, edge].map(({ sha256: hash, quantization, blocks, widenedFrom }) =>
    widenedFrom === undefined
      ? [hash, quantization ?? (blocks === undefined ? null : "blocks")]
      : [hash, widenedFrom, "widened"],
  );
  return sha256(JSON.stringify([...parts, generator.sha256]));
}
