/** @file Parts of a `tokenizer.json`: special tokens, byte pair encodings, the template around a text, and the whole of Llama 2's. */

export type Merge = readonly [string, string];

export const specialToken = (content: string, id: number) => ({ id, content, normalized: false, special: true });

export const bpeModel = (vocab: Record<string, number>, merges: readonly unknown[], settings: object = {}) => ({
  type: "BPE",
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
  ...settings,
  vocab,
  merges,
});

/** Puts one token before every text. */
export function templateBehind(token: string, id: number) {
  const begin = { SpecialToken: { id: token, type_id: 0 } };
  const text = { Sequence: { id: "A", type_id: 0 } };
  return {
    type: "TemplateProcessing",
    single: [begin, text],
    pair: [begin, text, begin, { Sequence: { id: "B", type_id: 1 } }],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}

/** SentencePiece as Llama 2 has it; the vocabulary begins with `<unk>`, `<s>`, `</s>` and the 256 bytes. */
export const sentencePieceJson = (vocab: Record<string, number>, merges: readonly Merge[]) => ({
  version: "1.0",
  added_tokens: ["<unk>", "<s>", "</s>"].map(specialToken),
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "▁" },
      { type: "Replace", pattern: { String: " " }, content: "▁" },
    ],
  },
  pre_tokenizer: null,
  post_processor: templateBehind("<s>", 1),
  decoder: {
    type: "Sequence",
    decoders: [
      { type: "Replace", pattern: { String: "▁" }, content: " " },
      { type: "ByteFallback" },
      { type: "Fuse" },
      { type: "Strip", content: " ", start: 1, stop: 0 },
    ],
  },
  model: bpeModel(vocab, merges, { unk_token: "<unk>", fuse_unk: true, byte_fallback: true }),
});
