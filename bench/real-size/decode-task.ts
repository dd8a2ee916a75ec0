/** @file What a program that decodes is asked to do, ours or llama.cpp. */
import { createRng } from "../../src/base/rng.ts";

/** What either program is asked to do. */
export type DecodeTask = {
  /** A model's directory, or a GGUF file. */
  readonly path: string;
  /** Whether ours holds the weights of a GGUF file in its own blocks. */
  readonly keepBlocks?: boolean;
  readonly threads: number;
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly vocab: number;
};

/** The same random prompt for both programs. Low numbers are special tokens in some vocabularies. */
export function promptIds({ promptTokens, vocab }: DecodeTask): number[] {
  const rng = createRng("prompt");
  return Array.from({ length: promptTokens }, () => 300 + rng.int(vocab - 300));
}
