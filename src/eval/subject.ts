/** @file What is evaluated: an edge model with its tokenizer, and how a prompt becomes weights. */
import type { DecodableModel } from "../decode/decoder.ts";
import type { Pair } from "../pair/pair-file.ts";
import type { Specialization } from "../pair/specialization-file.ts";
import { createSpecializer } from "../pair/specialize.ts";
import { specializedEdge } from "../pair/specialized-edge.ts";
import type { CompileOptions } from "../runtime/session.ts";
import type { PromptLayout } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";

export type Subject = {
  readonly model: DecodableModel;
  readonly tokenizer: Tokenizer;
  readonly layout: PromptLayout;
  /** The model specialised by a prompt; absent where there is no generator. */
  readonly specialize?: (prompt: string) => Promise<DecodableModel>;
};

/** Holds the cloud model's session: close it. */
export type PairSubject = Subject & AsyncDisposable & Required<Pick<Subject, "specialize">>;

/** A pair's edge model and generator. The cloud model is compiled at the first specialisation, and reads each prompt once. */
export function pairSubject(pair: Pair, options: Pick<CompileOptions, "threads" | "device"> = {}): PairSubject {
  let specializer: ReturnType<typeof createSpecializer> | undefined;
  const known = new Map<string, Specialization>();
  return {
    model: pair.edge,
    tokenizer: pair.tokenizer,
    layout: pair.layout,
    async specialize(prompt) {
      specializer ??= createSpecializer(pair, options);
      const specialization = known.get(prompt) ?? (await (await specializer).specialize(prompt));
      known.set(prompt, specialization);
      return specializedEdge(pair, specialization);
    },
    [Symbol.asyncDispose]: async () => (await specializer)?.close(),
  };
}
