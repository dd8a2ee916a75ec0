/** @file Tokenizers as GGUF metadata: kinds, types of tokens, scores; what llama.cpp does not have is refused. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { byteLevelFields } from "../../test/support/gguf-metadata.ts";
import { missingLlamaCpp, openLlamaCpp, startLlamaCpp } from "../../test/support/llama-cpp.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { writeSentencePieceTokenizer, writeSmallTokenizer } from "../../test/support/small-tokenizer.ts";
import { writeGguf } from "../files/gguf/write.ts";
import { saveGgufModel } from "../models/gguf/save.ts";
import { WORD_PATTERN } from "../text/bpe-train.ts";
import { preTokenizers } from "../text/gguf-pre-tokenizer.ts";
import { loadTokenizer } from "../text/tokenizer-file.ts";
import { ggufName, ggufTokenizer } from "./gguf-tokenizer.ts";
import { checkTokens } from "./gguf-tokens.ts";
import { hardTexts } from "./hard-texts.ts";

const folder = mkdtempSync(join(tmpdir(), "gguf-tokenizer-"));
afterAll(() => rmSync(folder, { recursive: true }));
const tinyModel = randomLlama({ vocab: 275, hidden: 8, ffn: 8, layers: 1, heads: 1, kvHeads: 1, tied: true });
const jsonPath = join(folder, "tokenizer.json");
const configPath = join(folder, "tokenizer_config.json");
type Json = Record<string, unknown> & { model: Record<string, unknown> };

async function fieldsOf(vocab = 275): Promise<(key: string) => unknown> {
  const fields = await ggufTokenizer(folder, { vocab, eosIds: [2] });
  return (key) => fields.get(`tokenizer.${key}`)?.value;
}
function change(path: string, edit: (json: Json) => void): void {
  const json = JSON.parse(readFileSync(path, "utf8")) as Json;
  edit(json);
  writeFileSync(path, JSON.stringify(json));
}

test("byte-level BPE: merges, control tokens, ids, and unused places up to the embeddings", async () => {
  writeSmallTokenizer(folder);
  const field = await fieldsOf(280);
  expect([field("ggml.model"), field("ggml.pre")]).toEqual(["gpt2", "gpt-2"]);
  const [tokens, types] = [field("ggml.tokens") as string[], field("ggml.token_type") as number[]];
  expect([tokens.length, types.length]).toEqual([280, 280]);
  expect(tokens.slice(0, 4)).toEqual(["<pad>", "<s>", "</s>", "<|system|>"]);
  expect(types.slice(0, 8)).toEqual([3, 3, 3, 3, 3, 3, 3, 1]);
  expect([tokens.at(-1), types.at(-1)]).toEqual(["[PAD279]", 5]);
  expect((field("ggml.merges") as string[])[0]).toMatch(/^\S+ \S+$/);
  expect([field("ggml.bos_token_id"), field("ggml.eos_token_id"), field("ggml.padding_token_id")]).toEqual([1, 2, 0]);
  expect([field("ggml.add_bos_token"), field("ggml.add_eos_token")]).toEqual([true, false]);
  expect(field("chat_template")).toBeUndefined();
});

test("BPE with byte fallback: bytes, the unknown token, and scores that fall with the rank of the merge", async () => {
  writeSentencePieceTokenizer(folder);
  const field = await fieldsOf();
  expect([field("ggml.model"), field("ggml.pre")]).toEqual(["llama", undefined]);
  const tokens = field("ggml.tokens") as string[];
  const types = field("ggml.token_type") as number[];
  const scores = field("ggml.scores") as number[];
  const scoreOf = (token: string) => scores[tokens.indexOf(token)]!;
  expect([types[0], types[1], types[tokens.indexOf("<0x0A>")]]).toEqual([2, 3, 6]);
  expect(["▁t", "▁th", "▁the", "an", "and"].map(scoreOf)).toEqual([0, -1, -2, -3, -4]);
  expect(field("ggml.add_space_prefix")).toBe(true);
});

test("a chat template goes into the file; that of chat_template.jinja comes first", async () => {
  writeSmallTokenizer(folder);
  change(configPath, (json) => Object.assign(json, { chat_template: "{{ bos_token }}" }));
  expect((await fieldsOf())("chat_template")).toBe("{{ bos_token }}");
  writeFileSync(join(folder, "chat_template.jinja"), "{{ eos_token }}");
  expect((await fieldsOf())("chat_template")).toBe("{{ eos_token }}");
  rmSync(join(folder, "chat_template.jinja"));
});

const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
const sequence = (...pretokenizers: object[]) => ({ type: "Sequence", pretokenizers });
const gpt2Words = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

test.each<[string, unknown, string]>([
  ["GPT-2's words", bytes, "gpt-2"],
  ["GPT-2's words as an expression", splitBy(gpt2Words), "gpt-2"],
  ["single digits, then GPT-2's words", sequence({ type: "Digits", individual_digits: true }, bytes), "smollm"],
  [
    "numbers one by one, then GPT-2's words",
    sequence({ type: "Split", pattern: { Regex: "\\p{N}" }, behavior: "Isolated", invert: false }, bytes),
    "smollm",
  ],
  ["our own words", splitBy(WORD_PATTERN), "gpt-2"],
])("%s are named %s", async (_, steps, pre) => {
  writeSmallTokenizer(folder);
  change(jsonPath, (json) => Object.assign(json, { pre_tokenizer: steps }));
  expect((await fieldsOf())("ggml.pre")).toBe(pre);
});

const llamaWords = (preTokenizers["llama-bpe"].steps[0]["pattern"] as { readonly Regex: string }).Regex;

test.each<[string, (json: Json) => void, string, RegExp]>([
  ["a unigram model", (json) => Object.assign(json, { model: { type: "Unigram", unk_id: 0, vocab: [["<unk>", 0], ["a", -1], ["b", -2], ["▁", -1]] } }), "E_ARCHITECTURE", /model "Unigram"/], // biome-ignore format: one case
  ["an unknown way to split words", (json) => Object.assign(json, { pre_tokenizer: splitBy("\\p{L}+|[^\\p{L}]") }), "E_ARCHITECTURE", /words split by .*it has byte-level BPE split as gpt-2, smollm, llama-bpe, qwen2, default/], // biome-ignore format: one case
  ["tokens of two digits where words are split into digits", (json) => Object.assign(json.model["vocab"] as object, { "42": 275 }), "E_ARCHITECTURE", /words split by/], // biome-ignore format: one case
  ["punctuation apart", (json) => Object.assign(json, { pre_tokenizer: sequence({ type: "Punctuation" }, bytes) }), "E_ARCHITECTURE", /words split by .*Punctuation/], // biome-ignore format: one case
  ["numbers whole", (json) => Object.assign(json, { pre_tokenizer: sequence({ type: "Digits", individual_digits: false }, bytes) }), "E_ARCHITECTURE", /words split by .*Digits/], // biome-ignore format: one case
  ["a space put in front", (json) => Object.assign(json, { pre_tokenizer: { ...bytes, add_prefix_space: true } }), "E_ARCHITECTURE", /words split by .*add_prefix_space/], // biome-ignore format: one case
  ["digits behind the bytes", (json) => Object.assign(json, { pre_tokenizer: sequence(bytes, { type: "Digits", individual_digits: true }) }), "E_ARCHITECTURE", /words split by/], // biome-ignore format: one case
  ["no words at all", (json) => Object.assign(json, { pre_tokenizer: { ...bytes, use_regex: false } }), "E_ARCHITECTURE", /words split by/], // biome-ignore format: one case
  ["a normaliser", (json) => Object.assign(json, { normalizer: { type: "Lowercase" } }), "E_ARCHITECTURE", /a normaliser of Lowercase, and words split as gpt-2/], // biome-ignore format: one case
  ["NFC before GPT-2's words", (json) => Object.assign(json, { normalizer: { type: "NFC" } }), "E_ARCHITECTURE", /a normaliser of NFC/], // biome-ignore format: one case
  ["merges ignored", (json) => Object.assign(json.model, { ignore_merges: true }), "E_ARCHITECTURE", /ignore_merges true, and words split as gpt-2/], // biome-ignore format: one case
  ["merges not ignored", (json) => Object.assign(json, { pre_tokenizer: splitBy(llamaWords) }), "E_ARCHITECTURE", /ignore_merges false, and words split as llama-bpe/], // biome-ignore format: one case
])("%s is refused", async (_, edit, code, message) => {
  writeSmallTokenizer(folder);
  change(jsonPath, edit);
  await expect(ggufTokenizer(folder, { vocab: 300, eosIds: [] })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message) as unknown,
  });
});

test.each([
  ["byte-level", writeSmallTokenizer],
  ["SentencePiece", writeSentencePieceTokenizer],
])(
  "a %s tokenizer makes the same tokens of hard texts out of the written file, by llama.cpp where it is installed",
  async (_, write) => {
    write(folder);
    const path = join(folder, "written.gguf");
    await saveGgufModel(path, tinyModel, { type: "F32", about: await ggufTokenizer(folder, tinyModel.config) });
    const by = missingLlamaCpp() === undefined ? "llama.cpp" : "our reading of the file";
    expect(await checkTokens(path, folder)).toEqual({ texts: hardTexts.length, by });
    expect(await checkTokens(path, path)).toBeUndefined();
  },
);

const text = (value: string) => ({ type: "string", value }) as const;

test.skipIf(missingLlamaCpp() !== undefined)(
  "a model named phi3 whose vocabulary is not Phi 3's gets a name that llama.cpp loads; by its own name it does not",
  async () => {
    writeSmallTokenizer(folder);
    const path = join(folder, "written.gguf");
    const about = await ggufTokenizer(folder, tinyModel.config);
    const name = await ggufName("my-Phi3 and phi-3", folder);
    expect([name, await ggufName("my-phi4", folder)]).toEqual(["my-Phi 3 and phi 3", "my-phi4"]);
    await saveGgufModel(path, tinyModel, { type: "F32", about: about.set("general.name", text(name)) });
    expect(await checkTokens(path, folder)).toMatchObject({ by: "llama.cpp" });
    await saveGgufModel(path, tinyModel, { type: "F32", about: about.set("general.name", text("my-phi3")) });
    await expect(checkTokens(path, folder)).rejects.toThrow();
  },
);

test.skipIf(missingLlamaCpp() !== undefined)(
  "tokens that take in the white space behind them, as Phi 3's do, go on doing so in llama.cpp and in our reading of the file",
  async () => {
    writeSentencePieceTokenizer(folder);
    change(jsonPath, ({ added_tokens: added, model }) => {
      const tokens = added as { id: number; content: string; rstrip?: boolean }[];
      for (const content of ["<|endoftext|>", "<|user|>"]) {
        const id = Object.keys(model["vocab"] as object).length;
        (model["vocab"] as Record<string, number>)[content] = id;
        tokens.push({ ...tokens[0]!, id, content });
      }
      for (const token of tokens) token.rstrip = !["<unk>", "<s>", "<|endoftext|>"].includes(token.content);
    });
    const name = await ggufName("mine", folder);
    expect([name, await ggufName(name, folder)]).toEqual(["mine (phi-3)", name]);
    const path = join(folder, "written.gguf");
    const about = await ggufTokenizer(folder, tinyModel.config);
    await saveGgufModel(path, tinyModel, { type: "F32", about: about.set("general.name", text(name)) });
    expect(await ggufName("mine", path)).toBe("mine (phi-3)");
    const [ours, read] = [await loadTokenizer(folder), await loadTokenizer(path)];
    const llama = await startLlamaCpp();
    await using theirs = await openLlamaCpp(llama, path);
    for (const [asked, same] of [
      ["<|user|>\n the hat</s>  and", "<|user|>the hat</s>and"],
      ["<s> the<|endoftext|> an <|user|> <|user|>", "<s> the<|endoftext|> an <|user|><|user|>"],
    ] as const) {
      const parsed = { parseSpecial: true };
      const wanted = ours.encode(same, parsed);
      expect(ours.encode(asked, parsed), asked).toEqual(wanted);
      expect([read.encode(asked, parsed), theirs.tokenize(asked, true)], asked).toEqual([wanted, wanted]);
    }
    await llama.dispose();
  },
);

test("a file that makes other tokens is refused, naming the text", async () => {
  writeSmallTokenizer(folder);
  const path = join(folder, "written.gguf");
  await saveGgufModel(path, tinyModel, { type: "F32", about: await ggufTokenizer(folder, tinyModel.config) });
  change(jsonPath, (json) => Object.assign(json, { normalizer: { type: "Lowercase" } }));
  await expect(checkTokens(path, folder)).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: expect.stringMatching(
      /written\.gguf: "Hello world" becomes the tokens \[.*\] by our reading of the file, expected/,
    ) as unknown,
  });
});

function splitBy(pattern: string) {
  const split = { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
  return sequence(split, { ...bytes, use_regex: false });
}

test("the tokenizer of a GGUF file is copied as it is, whatever its kind", async () => {
  const path = join(folder, "other.gguf");
  const fields = byteLevelFields("a kind of tomorrow").set("general.name", { type: "string", value: "other" });
  await writeGguf(path, fields, []);
  const copied = await ggufTokenizer(path, { vocab: 300, eosIds: [] });
  expect([...copied.keys()]).toEqual([...fields.keys()].filter((key) => key.startsWith("tokenizer.")));
  for (const [key, field] of copied) expect(field).toEqual(fields.get(key));
  await expect(ggufTokenizer(path, { vocab: 200, eosIds: [] })).rejects.toMatchObject({ code: "E_MISMATCH" });
  await writeGguf(path, new Map(), []);
  await expect(ggufTokenizer(path, { vocab: 300, eosIds: [] })).rejects.toMatchObject({ code: "E_FORMAT" });
});

test("more tokens than embeddings are refused", async () => {
  writeSmallTokenizer(folder);
  await expect(ggufTokenizer(folder, { vocab: 200, eosIds: [] })).rejects.toMatchObject({ code: "E_MISMATCH" });
});
