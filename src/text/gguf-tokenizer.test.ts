/** @file Tokenizers out of a GGUF file's metadata: what each kind says, and what is refused by name. */
import { expect, test } from "vitest";
import { byteLevelFields, sentencePieceFields } from "../../test/support/gguf-metadata.ts";
import type { GgufField } from "../files/gguf/read.ts";
import { renderChat } from "./chat-template.ts";
import { preNames } from "./gguf-pre-tokenizer.ts";
import { ggufTokenizerLimits, tokenizerOfGguf } from "./gguf-tokenizer.ts";
import { createTokenizer } from "./tokenizer.ts";

type Fields = Map<string, GgufField>;

function open(fields: Fields) {
  const { json, config } = tokenizerOfGguf(fields, "model.gguf");
  return createTokenizer(json, config, { name: "model.gguf", configName: "model.gguf" });
}

const pieces = (fields: Fields, text: string, options = {}) => {
  const { encode, tokenText } = open(fields);
  return encode(text, options).map(tokenText);
};

const changed = (fields: Fields, changes: Readonly<Record<string, GgufField | undefined>>): Fields => {
  const copy = new Map(fields);
  for (const [key, field] of Object.entries(changes))
    if (field === undefined) copy.delete(`tokenizer.${key}`);
    else copy.set(`tokenizer.${key}`, field);
  return copy;
};
const text = (value: string): GgufField => ({ type: "string", value });
const flag = (value: boolean): GgufField => ({ type: "bool", value });
const number = (value: number): GgufField => ({ type: "u32", value });
const texts = (value: readonly string[]): GgufField => ({ type: "array", of: "string", value });

test.each(preNames)("words split as %s give the text back, and the merges apply within them", (pre) => {
  const fields = byteLevelFields(pre);
  const tokenizer = open(fields);
  for (const sample of ["in the\n\n  the 12345", "naïve 日本語 😀 ½٣", "a[[user]]b", ""])
    expect(tokenizer.decode(tokenizer.encode(sample))).toBe(sample);
  expect(pieces(fields, "in the")).toEqual(["i", "n", "Ġthe"]);
});

test("numbers are split as each kind of words does", () => {
  const ofNumber = (pre: string) => pieces(byteLevelFields(pre), "12345");
  expect(ofNumber("gpt-2")).toEqual(["123", "4", "5"]);
  expect(ofNumber("llama-bpe")).toEqual(["123", "4", "5"]);
  expect(ofNumber("default")).toEqual(["123", "4", "5"]);
  expect(ofNumber("smollm")).toEqual(["1", "2", "3", "4", "5"]);
  expect(ofNumber("qwen2")).toEqual(["1", "2", "3", "4", "5"]);
});

test("digits of other scripts are digits", () => {
  const fields = byteLevelFields("smollm");
  const merges = [...(fields.get("tokenizer.ggml.merges")!.value as string[]), "Ù £"]; // the two bytes of ٣
  const tokens = [...(fields.get("tokenizer.ggml.tokens")!.value as string[]), "Ù£", "Ù£Ù", "Ù£Ù£"];
  fields.set("tokenizer.ggml.merges", texts([...merges, "Ù£ Ù", "Ù£Ù £"]));
  fields.set("tokenizer.ggml.tokens", texts(tokens));
  fields.delete("tokenizer.ggml.token_type");
  expect(pieces(fields, "٣٣")).toEqual(["Ù£", "Ù£"]);
});

test("special tokens are those of the file, and text becomes none", () => {
  const tokenizer = open(byteLevelFields());
  expect(tokenizer).toMatchObject({ bosId: 0, eosId: 1, padId: 1, vocabSize: 264 }); // the unused one at the end is left out
  expect([...tokenizer.specialTokens]).toEqual([
    ["<s>", 0],
    ["</s>", 1],
  ]);
  expect(Math.min(...tokenizer.encode("<s></s>"))).toBeGreaterThan(2);
  expect(tokenizer.encode("<s></s>", { parseSpecial: true })).toEqual([0, 1]);
  expect(tokenizer.encode("[[user]]")).toEqual([2]);
});

test("begin and end tokens are put around a text as the file says, or as the kind does where it says nothing", () => {
  const around = (fields: Fields, changes: Record<string, GgufField> = {}) =>
    pieces(changed(fields, changes), "t", { addSpecial: true });
  expect(around(byteLevelFields())).toEqual(["t"]);
  expect(around(byteLevelFields("llama-bpe"))).toEqual(["<s>", "t"]);
  expect(around(byteLevelFields("llama-bpe"), { "ggml.add_bos_token": flag(false) })).toEqual(["t"]);
  const both = { "ggml.add_bos_token": flag(true), "ggml.add_eos_token": flag(true) };
  expect(around(byteLevelFields(), both)).toEqual(["<s>", "t", "</s>"]);
  expect(around(sentencePieceFields())).toEqual(["<s>", "▁t"]);
});

test("without tokenizer.ggml.pre words are split as default does", () => {
  const fields = byteLevelFields("default");
  expect(tokenizerOfGguf(changed(fields, { "ggml.pre": undefined }), "x")).toEqual(tokenizerOfGguf(fields, "x"));
});

test("SentencePiece joins the neighbours that score highest, and spells other characters in bytes", () => {
  const fields = sentencePieceFields();
  expect(pieces(fields, "the hand and")).toEqual(["▁the", "▁", "h", "and", "▁and"]);
  expect(pieces(fields, "é")).toEqual(["▁", "<0xC3>", "<0xA9>"]);
  const { encode, decode } = open(fields);
  for (const sample of ["the hand", " the", "é 日\n", "x<s>"]) expect(decode(encode(sample))).toBe(sample);
  expect(pieces(changed(fields, { "ggml.add_space_prefix": flag(false) }), "the")).toEqual(["t", "he"]);
});

test("the chat template is the file's, or one of several with names", () => {
  const fields = changed(byteLevelFields(), {
    chat_template: text("{{ bos_token }}{{ messages[0].content }}"),
    "chat_template.tool_use": text("T"),
  });
  const messages = [{ role: "user", content: "hi" }] as const;
  expect(renderChat(open(fields), messages)).toBe("<s>hi");
  expect(renderChat(open(fields), messages, { template: "tool_use" })).toBe("T");
  const broken = open(changed(fields, { chat_template: text("{% for %}") }));
  expect(() => renderChat(broken, messages)).toThrow(
    expect.objectContaining({ code: "E_FORMAT", message: expect.stringContaining("model.gguf: chat template") }),
  );
});

const million = Array.from({ length: 1_000_000 }, () => "Ġ t");

test("a million merges are read", () => {
  expect(pieces(changed(byteLevelFields(), { "ggml.merges": texts(million) }), "in the")).toContain("Ġt");
});

const pieceOf = (length: number) => Array.from({ length }, (_, i) => "a".repeat(i + 1));

test.each<[string, Fields, string, RegExp]>([
  ["a file without a tokenizer", new Map(), "E_FORMAT", /has no tokenizer .*name a tokenizer beside it/],
  [
    "an unknown kind",
    changed(byteLevelFields(), { "ggml.model": text("bert") }),
    "E_ARCHITECTURE",
    /model "bert" .*gpt2, llama/,
  ],
  [
    "no kind",
    changed(byteLevelFields(), { "ggml.model": undefined }),
    "E_ARCHITECTURE",
    /expected one of: gpt2, llama/,
  ],
  [
    "unknown words",
    changed(byteLevelFields(), { "ggml.pre": text("tekken") }),
    "E_ARCHITECTURE",
    /pre "tekken" .*gpt-2, smollm, llama-bpe, qwen2, default/,
  ],
  [
    "words of a prototype",
    changed(byteLevelFields(), { "ggml.pre": text("constructor") }),
    "E_ARCHITECTURE",
    /is not known/,
  ],
  ["no merges", changed(byteLevelFields(), { "ggml.merges": undefined }), "E_FORMAT", /has no tokenizer.ggml.merges/],
  [
    "a merge of unknown tokens",
    changed(byteLevelFields(), { "ggml.merges": texts(["q u"]) }),
    "E_FORMAT",
    /merge 0 .*found "q u"/,
  ],
  ["a merge without a space", changed(byteLevelFields(), { "ggml.merges": texts(["qu"]) }), "E_FORMAT", /merge 0/],
  [
    "a token twice",
    changed(byteLevelFields(), { "ggml.tokens": texts(["a", "a"]), "ggml.token_type": undefined }),
    "E_FORMAT",
    /tokens 0 and 1 are both "a"/,
  ],
  ["too few types", changed(byteLevelFields(), { "ggml.tokens": texts(["a"]) }), "E_FORMAT", /265 types for 1 tokens/],
  [
    "a begin token far out",
    changed(byteLevelFields(), { "ggml.bos_token_id": number(9999) }),
    "E_FORMAT",
    /bos_token_id is 9999/,
  ],
  [
    "tokens of numbers",
    changed(byteLevelFields(), { "ggml.tokens": { type: "array", of: "u32", value: [1] } }),
    "E_FORMAT",
    /should be a list of strings/,
  ],
  [
    "a template of numbers",
    changed(byteLevelFields(), { "ggml.pre": number(1) }),
    "E_FORMAT",
    /pre should be a string/,
  ],
  [
    "more tokens than any model has",
    changed(byteLevelFields(), { "ggml.tokens": texts(new Array(2 ** 20 + 1).fill("")) }),
    "E_LIMIT",
    /the limit is 1048576/,
  ],
  [
    "more merges than any model has",
    changed(byteLevelFields(), { "ggml.merges": texts(new Array(2 ** 22 + 1).fill("Ġ t")) }),
    "E_LIMIT",
    /the limit is 4194304/,
  ],
  ["no scores", changed(sentencePieceFields(), { "ggml.scores": undefined }), "E_FORMAT", /no scores for/],
  [
    "very long pieces",
    changed(sentencePieceFields(), { "ggml.tokens": texts(pieceOf(273)), "ggml.token_type": undefined }),
    "E_LIMIT",
    new RegExp(`limits are ${ggufTokenizerLimits.pieceLength}`),
  ],
])("%s: refused by name", (_, fields, code, message) => {
  expect(() => open(fields)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
});
