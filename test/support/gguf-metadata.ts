/** @file The metadata of small tokenizers, as llama.cpp's converters write it. */
import type { GgufField } from "../../src/files/gguf/read.ts";
import { byteCharacters } from "../../src/text/bpe-train.ts";

type Fields = Map<string, GgufField>;

const texts = (value: readonly string[]): GgufField => ({ type: "array", of: "string", value });
const numbers = (value: readonly number[]): GgufField => ({ type: "array", of: "i32", value });

/** Byte-level BPE: `<s>` and `</s>`, a token of a user, the 256 bytes, and what the merges make. */
export function byteLevelFields(pre = "gpt-2"): Fields {
  const merges = ["Ġ t", "Ġt h", "Ġth e", "1 2", "12 3"];
  const tokens = ["<s>", "</s>", "[[user]]", ...byteCharacters(), ...merges.map((merge) => merge.replace(" ", ""))];
  return new Map<string, GgufField>([
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: pre }],
    ["tokenizer.ggml.tokens", texts([...tokens, "[PAD264]"])],
    ["tokenizer.ggml.token_type", numbers([3, 3, 4, ...tokens.slice(3).map(() => 1), 5])],
    ["tokenizer.ggml.merges", texts(merges)],
    ["tokenizer.ggml.bos_token_id", { type: "u32", value: 0 }],
    ["tokenizer.ggml.eos_token_id", { type: "u32", value: 1 }],
  ]);
}

/** SentencePiece with byte fallback: pieces with scores, no merges. */
export function sentencePieceFields(): Fields {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const merged = ["▁t", "▁th", "▁the", "he", "an", "and", "▁and"];
  const pieces = ["<unk>", "<s>", "</s>", ...bytes, ..."▁ t h e a n d".split(" "), ...merged];
  const types = pieces.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1));
  const scores = pieces.map((piece) => -merged.indexOf(piece));
  return new Map<string, GgufField>([
    ["tokenizer.ggml.model", { type: "string", value: "llama" }],
    ["tokenizer.ggml.tokens", texts(pieces)],
    ["tokenizer.ggml.token_type", numbers(types)],
    ["tokenizer.ggml.scores", { type: "array", of: "f32", value: scores }],
    ["tokenizer.ggml.bos_token_id", { type: "u32", value: 1 }],
    ["tokenizer.ggml.eos_token_id", { type: "u32", value: 2 }],
  ]);
}
