/** @file Tokenizers of a few hundred tokens that load in a millisecond. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { trainBpe } from "../../src/text/bpe-train.ts";
import { sentencePieceJson } from "./tokenizer-json.ts";

/** Byte-level, with the special tokens of a pair. Writes `tokenizer.json` and `tokenizer_config.json`. */
export function writeSmallTokenizer(directory: string): void {
  const specialTokens = ["<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<meta>"];
  const texts = ["the cat and the dog and the bird", "another rather bland band"];
  const json = trainBpe(texts, { vocabSize: 275, specialTokens, bosToken: "<s>" });
  write(directory, json, { bos_token: "<s>", eos_token: "</s>", pad_token: "<pad>" });
}

/** As Llama 2's: SentencePiece with byte fallback, a normaliser, a template around each text, a chain of decoders. */
export function writeSentencePieceTokenizer(directory: string): void {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const pieces = ["<unk>", "<s>", "</s>", ...bytes, ..."▁ t h e a n d ▁t ▁th ▁the an and".split(" ")];
  const merges = ["▁ t", "▁t h", "▁th e", "a n", "an d"].map((pair) => pair.split(" ") as [string, string]);
  const json = sentencePieceJson(Object.fromEntries(pieces.map((piece, id) => [piece, id])), merges);
  write(directory, json, { add_bos_token: true, bos_token: { content: "<s>" }, eos_token: { content: "</s>" } });
}

function write(directory: string, json: unknown, config: Record<string, unknown>): void {
  const settings = { ...config, tokenizer_class: "PreTrainedTokenizerFast" };
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "tokenizer.json"), JSON.stringify(json));
  writeFileSync(join(directory, "tokenizer_config.json"), JSON.stringify(settings));
}
