/** @file Older vocabulary files as the `tokenizer.json` that published checkpoints carry: GPT-2, tiktoken ranks, SentencePiece. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { byteCharacters } from "../../src/text/bpe-train.ts";
import { bpeModel, type Merge, sentencePieceJson, specialToken, templateBehind } from "./tokenizer-json.ts";

export type TokenizerFiles = { readonly json: unknown; readonly config: Record<string, unknown> };

const byteLevel = (useRegex: boolean) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});
const split = (pattern: string) => ({
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false },
    byteLevel(false),
  ],
});
const mergeLines = (text: string) =>
  text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#version"))
    .map((line) => line.split(" "));

/** `encoder.json` and `vocab.bpe`. */
export function gpt2(folder: string): TokenizerFiles {
  const vocab = JSON.parse(readFileSync(join(folder, "encoder.json"), "utf8")) as Record<string, number>;
  const merges = mergeLines(readFileSync(join(folder, "vocab.bpe"), "utf8"));
  const end = "<|endoftext|>";
  return {
    json: {
      version: "1.0",
      added_tokens: [specialToken(end, vocab[end]!)],
      normalizer: null,
      pre_tokenizer: byteLevel(true),
      post_processor: byteLevel(true),
      decoder: byteLevel(true),
      model: bpeModel(vocab, merges),
    },
    config: { tokenizer_class: "GPT2Tokenizer", bos_token: end, eos_token: end },
  };
}

const QWEN_WORDS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const LLAMA3_WORDS = QWEN_WORDS.replace("|\\p{N}|", "|\\p{N}{1,3}|");

/** `vocab.json`, `merges.txt` and `tokenizer_config.json`. */
export function qwen2(folder: string): TokenizerFiles {
  const vocab = JSON.parse(readFileSync(join(folder, "vocab.json"), "utf8")) as Record<string, number>;
  const config = JSON.parse(readFileSync(join(folder, "tokenizer_config.json"), "utf8")) as Record<string, unknown>;
  const added = Object.entries(config["added_tokens_decoder"] as Record<string, object>);
  return {
    json: {
      version: "1.0",
      added_tokens: added.map(([id, token]) => ({ id: Number(id), ...token })),
      normalizer: { type: "NFC" },
      pre_tokenizer: split(QWEN_WORDS),
      post_processor: byteLevel(false),
      decoder: byteLevel(false),
      model: bpeModel(vocab, mergeLines(readFileSync(join(folder, "merges.txt"), "utf8"))),
    },
    config,
  };
}

/** tiktoken's ranks, with the special tokens of Llama 3.1 behind them. */
export function llama3(folder: string): TokenizerFiles {
  const names = byteCharacters();
  const ranks = new Map<string, number>();
  for (const line of readFileSync(join(folder, "tokenizer.model"), "utf8").split("\n")) {
    const [bytes, rank] = line.split(" ");
    if (rank !== undefined)
      ranks.set(Array.from(Buffer.from(bytes!, "base64"), (byte) => names[byte]!).join(""), Number(rank));
  }
  const known = new Map([
    [4, "<|finetune_right_pad_id|>"],
    [6, "<|start_header_id|>"],
    [7, "<|end_header_id|>"],
  ]);
  known
    .set(0, "<|begin_of_text|>")
    .set(1, "<|end_of_text|>")
    .set(8, "<|eom_id|>")
    .set(9, "<|eot_id|>")
    .set(10, "<|python_tag|>");
  let reserved = 0;
  const added = Array.from({ length: 256 }, (_, i) =>
    specialToken(known.get(i) ?? `<|reserved_special_token_${reserved++}|>`, ranks.size + i),
  );
  return {
    json: {
      version: "1.0",
      added_tokens: added,
      normalizer: null,
      pre_tokenizer: split(LLAMA3_WORDS),
      post_processor: {
        type: "Sequence",
        processors: [byteLevel(false), templateBehind("<|begin_of_text|>", ranks.size)],
      },
      decoder: byteLevel(true),
      model: bpeModel(Object.fromEntries(ranks), mergesByRank(ranks), { ignore_merges: true }),
    },
    config: {
      tokenizer_class: "PreTrainedTokenizerFast",
      bos_token: "<|begin_of_text|>",
      eos_token: "<|eot_id|>",
      added_tokens_decoder: Object.fromEntries(added.map(({ id, ...token }) => [id, token])),
    },
  };
}

/** SentencePiece's `tokenizer.model` as Llama 2 has it. */
export function llama2(folder: string): TokenizerFiles {
  const pieces = sentencePieces(readFileSync(join(folder, "tokenizer.model")));
  const ranks = new Map(pieces.map(({ piece }, id) => [piece, id]));
  return {
    json: sentencePieceJson(Object.fromEntries(ranks), mergesByScore(pieces, ranks)),
    config: {
      tokenizer_class: "LlamaTokenizer",
      add_bos_token: true,
      add_eos_token: false,
      legacy: false,
      bos_token: { content: "<s>" },
      eos_token: { content: "</s>" },
      unk_token: { content: "<unk>" },
    },
  };
}

/** All ways to cut a token in two known ones, the parts of lower rank first. */
function cuts(token: string, ranks: ReadonlyMap<string, number>): Merge[] {
  const characters = [...token];
  const found: Merge[] = [];
  for (let i = 1; i < characters.length; i++) {
    const [left, right] = [characters.slice(0, i).join(""), characters.slice(i).join("")];
    if (ranks.has(left) && ranks.has(right)) found.push([left, right]);
  }
  return found.sort(([a, b], [c, d]) => ranks.get(a)! - ranks.get(c)! || ranks.get(b)! - ranks.get(d)!);
}

const mergesByRank = (ranks: ReadonlyMap<string, number>): Merge[] =>
  [...ranks.keys()].flatMap((token) => cuts(token, ranks));

function mergesByScore(pieces: readonly Piece[], ranks: ReadonlyMap<string, number>): Merge[] {
  const byScore = [...pieces].sort((a, b) => b.score - a.score);
  return byScore.flatMap(({ piece }) => cuts(piece, ranks));
}

type Piece = { readonly piece: string; readonly score: number };

/** Field 1 of the model's protobuf message: pieces with a text (1) and a score (2). */
function sentencePieces(bytes: Buffer): Piece[] {
  const pieces: Piece[] = [];
  forEachField(bytes, (field, value) => {
    if (field !== 1) return;
    let piece = "";
    let score = 0;
    forEachField(value, (inner, content) => {
      if (inner === 1) piece = content.toString("utf8");
      if (inner === 2) score = content.readFloatLE(0);
    });
    pieces.push({ piece, score });
  });
  return pieces;
}

function forEachField(bytes: Buffer, visit: (field: number, value: Buffer) => void): void {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag & 7;
    const length = kind === 2 ? varint() : kind === 5 ? 4 : kind === 1 ? 8 : 0;
    if (kind === 0) varint();
    visit(tag >> 3, bytes.subarray(at, at + length));
    at += length;
  }
}
