import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { testTokenizer } from "../../test/support/tiny-pair.ts";
import { createRng } from "../base/rng.ts";
import { createTextStream } from "./text-stream.ts";
import { createTokenizer, loadTokenizer } from "./tokenizer-file.ts";

const root = join(import.meta.dirname, "../..");
const weights = join(root, "../shared/weights");
const TEXTS = [
  "Book a table for 12 at Sino's in San José, please!",
  '{"intent": "card_arrival"} route("x")',
  "  leading,  double  and trailing spaces \n\n\ttabs\n",
  "½ ² ٣ 3.14 日本語 😀👩‍👩‍👧 naïve “quotes” — don't I'LL",
  "",
];

describe("the tokenizer of 4,096 tokens that tests use", () => {
  test("gives back every text it encoded", async () => {
    const tokenizer = await loadTokenizer(testTokenizer);
    for (const text of TEXTS) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  test("has 4096 tokens, the special ones first", async () => {
    const { vocabSize, bosId, eosId, padId, tokenId, tokenText } = await loadTokenizer(testTokenizer);
    expect({ vocabSize, bosId, eosId, padId }).toEqual({ vocabSize: 4096, bosId: 1, eosId: 2, padId: 0 });
    const special = ["<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<meta>"];
    expect(special.map(tokenId)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(tokenText(6)).toBe("<meta>");
  });

  test("does not let text become a special token unless asked", async () => {
    const tokenizer = await loadTokenizer(testTokenizer);
    const text = "<s>a<|assistant|>b</s><meta>";
    expect(Math.min(...tokenizer.encode(text))).toBeGreaterThan(6);
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    expect(tokenizer.encode("a<|user|>b", { parseSpecial: true })).toContain(4);
  });

  test("gives each digit a token of its own", async () => {
    const tokenizer = await loadTokenizer(testTokenizer);
    expect(tokenizer.encode("20191").map(tokenizer.tokenText)).toEqual(["2", "0", "1", "9", "1"]);
  });

  test("streams only complete characters, and in sum the whole text", async () => {
    const tokenizer = await loadTokenizer(testTokenizer);
    for (const text of TEXTS) {
      const stream = createTextStream(tokenizer);
      const pieces = [...tokenizer.encode(text).map(stream.push), stream.flush()];
      expect(pieces.join("")).toBe(text);
      expect(pieces.filter((piece) => piece.includes("\uFFFD"))).toEqual([]);
    }
  });

  test("does not hold text back for ever when the bytes are no character", async () => {
    const tokenizer = await loadTokenizer(testTokenizer);
    const stream = createTextStream(tokenizer);
    const lead = tokenizer.encode("日")[0]!;
    expect(Array.from({ length: 20 }, () => stream.push(lead)).join("")).toContain("\uFFFD");
  });

  test("leaves special tokens out of a stream without losing a space", async () => {
    const tokenizer = await loadTokenizer(testTokenizer);
    const stream = createTextStream(tokenizer);
    const ids = [1, ...tokenizer.encode("a b"), 2];
    expect(ids.map(stream.push).join("") + stream.flush()).toBe("a b");
  });

  test("refuses to decode ids it does not have", async () => {
    const tokenizer = await loadTokenizer(testTokenizer);
    expect(() => tokenizer.decode([4096])).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
  });
});

describe.each(["stories260k", "tiny1m"])("the tokenizer of %s", (name) => {
  const folder = join(weights, name);

  test.skipIf(!existsSync(folder))("gives the reference token ids (skipped without ../shared/weights)", async () => {
    const reference = JSON.parse(readFileSync(join(folder, "reference.json"), "utf8"));
    const tokenizer = await loadTokenizer(folder);
    expect(tokenizer.encode(reference.prompt, { addSpecial: true })).toEqual(reference.tokens);
    expect(tokenizer.decode(reference.greedy_tokens, { skipSpecial: true })).toBe(reference.greedy_text);
    const stream = createTextStream(tokenizer);
    const streamed = reference.greedy_tokens.map(stream.push).join("") + stream.flush();
    expect(streamed).toBe(reference.greedy_text);
  });
});

describe("tokenizer files", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tokenizer-"));
  afterAll(() => rm(folder, { recursive: true }));
  const write = async (json: string, config = "{}") => {
    await writeFile(join(folder, "tokenizer.json"), json);
    await writeFile(join(folder, "tokenizer_config.json"), config);
  };
  const model = (vocab: unknown) => JSON.stringify({ model: { type: "BPE", vocab, merges: [] } });

  test.each([
    ["cut off", '{"model": {"type": "BPE"', "E_FORMAT"],
    ["without a vocabulary", '{"model": {"type": "BPE"}}', "E_FORMAT"],
    ["with an empty vocabulary", model({}), "E_FORMAT"],
    ["with an id twice", model({ a: 0, b: 0 }), "E_FORMAT"],
    ["with an id far out", model({ a: 0, b: 900_000 }), "E_FORMAT"],
    ["with a negative id", model({ a: -1 }), "E_FORMAT"],
    [
      "of an unknown kind",
      '{"pre_tokenizer": {"type": "Nope"}, "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}',
      "E_FORMAT",
    ],
    ["nested too deeply", "[".repeat(100_000), "E_LIMIT"],
  ])("%s are refused", async (_, json, code) => {
    await write(json);
    await expect(loadTokenizer(folder)).rejects.toMatchObject({ code });
  });

  test("that are missing are named", async () => {
    await expect(loadTokenizer(join(folder, "nowhere"))).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  });

  test("mutated at random never do worse than an error with a code", () => {
    const original = JSON.stringify({
      added_tokens: [{ id: 0, content: "<s>", special: true }],
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
      decoder: { type: "ByteLevel" },
      model: { type: "BPE", vocab: { "<s>": 0, a: 1, b: 2, ab: 3, Ġ: 4 }, merges: [["a", "b"]] },
    });
    const rng = createRng(1);
    let refused = 0;
    for (let i = 0; i < 2000; i++) {
      const characters = [...original];
      for (let n = 0; n <= rng.int(3); n++) characters[rng.int(characters.length)] = rng.pick([...'{}[]",:019aeM<\\']);
      try {
        const json: unknown = JSON.parse(characters.join(""));
        createTokenizer(json).encode("ab <s> ab");
      } catch (error) {
        refused++;
        if (!(error instanceof SyntaxError)) expect(error).toMatchObject({ code: "E_FORMAT" });
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});

describe("what a file says is no program", () => {
  const file = (parts: object, model: object = {}) => ({
    added_tokens: [],
    model: { type: "BPE", vocab: { a: 0, b: 1, "!": 2 }, merges: [], ...model },
    ...parts,
  });
  const split = (Regex: string) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false });
  const replace = (pattern: object, content: string) => ({ type: "Replace", pattern, content });
  const normalizers = (...list: unknown[]) => ({ normalizer: { type: "Sequence", normalizers: list } });
  const long = `${"a".repeat(5000)}!`;

  test.each([
    ["split", { pre_tokenizer: split("(a+)+$") }],
    ["normaliser", { normalizer: replace({ Regex: "(a|aa)+$" }, "b") }],
    ["pre-tokenizer that replaces", { pre_tokenizer: replace({ Regex: "(a*)*$" }, "b") }],
  ])("an expression that other engines never finish is searched at once: %s", (_, parts) => {
    expect(createTokenizer(file(parts)).encode(long).length).toBeGreaterThan(0);
  });

  test("the same in a decoder", () => {
    const ids = Array<number>(5000).fill(0);
    const decoder = { type: "Sequence", decoders: [{ type: "Fuse" }, replace({ Regex: "(a+)+b" }, "")] };
    expect(createTokenizer(file({ decoder })).decode(ids)).toBe("a".repeat(5000));
  });

  test("what replaces a text is text, not a pattern", () => {
    const tokenizer = createTokenizer(
      file(normalizers(replace({ String: "a" }, "$`b"), replace({ Regex: "[$`]" }, ""))),
    );
    expect(tokenizer.encode("aa")).toEqual([1, 1]);
  });

  test.each([
    ["pieces of no length", { pre_tokenizer: { type: "FixedLength", length: 1e-9 } }, "E_FORMAT"],
    ["no step", normalizers(null, replace({ String: "a" }, "aaaa")), "E_FORMAT"],
    ["steps that are no list", { normalizer: { type: "Sequence", normalizers: {} } }, "E_FORMAT"],
    ["10,000 steps", normalizers(...Array(10_000).fill({ type: "Lowercase" })), "E_LIMIT"],
    ["an empty mark of spaces", { pre_tokenizer: { type: "Metaspace", replacement: "" } }, "E_FORMAT"],
    ["a content that is no text", { decoder: { ...replace({ String: "a" }, ""), content: {} } }, "E_FORMAT"],
    ["an expression of 5,000 characters", { pre_tokenizer: split("a".repeat(5000)) }, "E_FORMAT"],
    ["an expression of a million steps", { pre_tokenizer: split("(?:(?:a{9}){9}){9999}") }, "E_LIMIT"],
    ["a reference back", { pre_tokenizer: split("(a)\\1") }, "E_FORMAT"],
    [
      "a token around a text that there is not",
      { post_processor: { type: "BertProcessing", cls: ["x", 9], sep: ["y", 9] } },
      "E_FORMAT",
    ],
    ["a vocabulary of another model", { model: { type: "Unigram", vocab: { a: 0 } } }, "E_FORMAT"],
    [
      "scores that are no numbers",
      { model: { type: "Unigram", vocab: [["a", Number.POSITIVE_INFINITY]] } },
      "E_FORMAT",
    ],
    [
      "words of a million characters",
      { model: { type: "WordPiece", vocab: { a: 0 }, max_input_chars_per_word: 1e6 } },
      "E_FORMAT",
    ],
  ])("%s are refused", (_, parts, code) => {
    expect(() => createTokenizer(file(parts))).toThrow(expect.objectContaining({ code }));
  });

  test("sequences nested without end are refused", () => {
    let normalizer: object = { type: "Lowercase" };
    for (let i = 0; i < 10_000; i++) normalizer = { type: "Sequence", normalizers: [normalizer] };
    expect(() => createTokenizer(file({ normalizer }))).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
  });

  test("a text has an id for each of its pieces, or is refused", () => {
    const tokenizer = createTokenizer({ model: { type: "Unigram", vocab: [["a", -1]] } });
    expect(tokenizer.encode("aa")).toEqual([0, 0]);
    expect(() => tokenizer.encode("ab")).toThrow(expect.objectContaining({ code: "E_FORMAT" }));
  });

  test("200,000 tokens of one piece are no more than many", () => {
    const vocab = [
      ["<unk>", 0],
      ["a", -1],
    ];
    const tokenizer = createTokenizer({ model: { type: "Unigram", unk_id: 0, vocab } });
    expect(tokenizer.encode("a".repeat(200_000))).toHaveLength(200_000);
    expect(tokenizer.encode("é".repeat(200_000))).toEqual([0]);
  });

  test("tokens that begin alike make no text expensive", () => {
    const vocab = Array.from({ length: 1024 }, (_, i) => ["a".repeat(i + 1), -1]);
    const tokenizer = createTokenizer({ model: { type: "Unigram", vocab } });
    expect(tokenizer.encode("a".repeat(4096))).toHaveLength(4);
    expect(() => tokenizer.encode("a".repeat(60_000))).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
  });
});

test("GPT-2's words end at Unicode's white space: U+0085 is one, U+FEFF is none", () => {
  const bytes = [..."x y\n", "\ufeff", "\u0085"].join("");
  const tokenizer = createTokenizer({
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(
        ["x", "y", "Ġ", "Ċ", "ï", "»", "¿", "Â", "ħ", "Ġï", "Ċħ", "ĊÂ", "ħx", "ĊĊ"].map((t, id) => [t, id]),
      ),
      merges: [
        ["Ġ", "ï"],
        ["Ċ", "Â"],
        ["ħ", "x"],
        ["Ċ", "Ċ"],
      ],
    },
  });
  const spelled = (text: string) => tokenizer.encode(text).map(tokenizer.tokenText);
  expect(spelled("x \ufeffy")).toEqual(["x", "Ġï", "»", "¿", "y"]);
  expect(spelled("\n\n\u0085x")).toEqual(["ĊĊ", "Â", "ħ", "x"]);
  expect(tokenizer.decode(tokenizer.encode(bytes))).toBe(bytes);
});
