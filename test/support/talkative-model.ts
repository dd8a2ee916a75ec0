/** @file A random model that ends its answers, and a small tokenizer with which one text has many spellings: for tests of what is a right answer. */
import type { ModelConfig } from "../../src/models/config.ts";
import type { WeightSource } from "../../src/runtime/session.ts";
import { trainBpe } from "../../src/text/bpe-train.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../../src/text/prompt.ts";
import { createTokenizer } from "../../src/text/tokenizer-file.ts";
import { randomLlama } from "./random-llama.ts";

const { begin, system, user, assistant, end, meta } = SPECIAL_TOKEN_LAYOUT;
const specialTokens = ["<pad>", begin, end, system, user, assistant, meta];
const json = trainBpe(["banana bandana\n", "an ananas, a band ", "naïve café "], {
  vocabSize: 300,
  specialTokens,
  bosToken: begin,
});

/** A few merges above the bytes. */
export const smallTokenizer = createTokenizer(json, { bos_token: begin, eos_token: end, pad_token: "<pad>" });

const endId = smallTokenizer.eosId!;
const favourites = ["a", "n", "b", "an", "ban", " ", "\n", "é", "na"].flatMap((text) => smallTokenizer.encode(text));
const hidden = 32;

/** Determined by the seed. Greedy answers say few different things and end within some steps. */
export function talkativeModel(seed: number): { config: ModelConfig; weights: Record<string, WeightSource> } {
  const { config, weights } = randomLlama({
    seed,
    hidden,
    vocab: smallTokenizer.vocabSize,
    tied: false,
    context: 160,
    bosId: smallTokenizer.bosId,
    eosIds: [endId],
  });
  const head = Float32Array.from((weights["lm_head.weight"] as { data: Float32Array }).data);
  const strengthen = (id: number, factor: number) => {
    for (let i = 0; i < hidden; i++) head[id * hidden + i]! *= factor;
  };
  strengthen(endId, 4);
  for (const id of favourites) strengthen(id, 2.5);
  return { config, weights: { ...weights, "lm_head.weight": { kind: "data", data: head } } };
}
