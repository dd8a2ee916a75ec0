/** @file The token that stands where the cloud model reads a meta embedding. */
import type { Tokenizer } from "./tokenizer-file.ts";

export type MetaToken = {
  readonly id: number;
  /**
   * `reserved`: a token the vocabulary keeps free. `row`: the vocabulary has none, so the meta embedding is a row beside
   * it (the generator's own parameter), and the id only fills the place: one that every model of the tokenizer has.
   */
  readonly kind: "reserved" | "row";
};

/** How vocabularies name the tokens they keep free, with their number. */
const reservedNames: readonly RegExp[] = [
  /^<\|reserved_special_token_(\d+)\|>$/, // Llama 3
  /^<\|reserved_token_(\d+)\|>$/,
  /^<unused(\d+)>$/, // Gemma
  /^\[unused(\d+)\]$/,
  /^<SPECIAL_(\d+)>$/, // Mistral Nemo
  /^\[control_(\d+)\]$/, // Mistral 0.3
  /^<\|extra_(\d+)\|>$/, // Qwen
  /^<\|placeholder(\d+)\|>$/, // Phi 3
  /^<extra_id_(\d+)>$/,
];

/**
 * The meta token of a vocabulary. Its embedding is never read: the generator's trained one replaces it in the graph.
 * The highest number is taken: later versions of a model give meanings to the lowest first.
 */
export function findMetaToken(tokenizer: Pick<Tokenizer, "specialTokens" | "padId">): MetaToken {
  for (const pattern of reservedNames) {
    let best: { id: number; index: number } | undefined;
    for (const [token, id] of tokenizer.specialTokens) {
      const index = pattern.exec(token)?.[1];
      if (index !== undefined && Number(index) > (best?.index ?? -1)) best = { id, index: Number(index) };
    }
    if (best !== undefined) return { id: best.id, kind: "reserved" };
  }
  return { id: tokenizer.padId, kind: "row" };
}
