import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { createTextStream } from "./text-stream.ts";
import { createTokenizer, loadTokenizer } from "./tokenizer-file.ts";

const root = join(import.meta.dirname, "../..");
const assistant = join(root, "pairs/assistant/tokenizer");
const weights = join(root, "../shared/weights");
const TEXTS = [
  "Book a table for 12 at Sino's in San José, please!",
  '{"intent": "card_arrival"} route("x")',
  "  leading,  double  and trailing spaces \n\n\ttabs\n",
  "½ ² ٣ 3.14 日本語 😀👩‍👩‍👧 naïve “quotes” — don't I'LL",
  "",
];

describe("the default pair's tokenizer", () => {
  test("gives back every text it encoded", async () => {
    const tokenizer = await loadTokenizer(assistant);
    for (const text of TEXTS) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  test("has 4096 tokens, the special ones first", async () => {
    const { vocabSize, bosId, eosId, padId, tokenId, tokenText } = await loadTokenizer(assistant);
    expect({ vocabSize, bosId, eosId, padId }).toEqual({ vocabSize: 4096, bosId: 1, eosId: 2, padId: 0 });
    const special = ["<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<meta>"];
    expect(special.map(tokenId)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(tokenText(6)).toBe("<meta>");
  });

  test("does not let text become a special token unless asked", async () => {
    const tokenizer = await loadTokenizer(assistant);
    const text = "<s>a<|assistant|>b</s><meta>";
    expect(Math.min(...tokenizer.encode(text))).toBeGreaterThan(6);
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    expect(tokenizer.encode("a<|user|>b", { parseSpecial: true })).toContain(4);
  });

  test("gives each digit a token of its own", async () => {
    const tokenizer = await loadTokenizer(assistant);
    expect(tokenizer.encode("20191").map(tokenizer.tokenText)).toEqual(["2", "0", "1", "9", "1"]);
  });

  test("streams only complete characters, and in sum the whole text", async () => {
    const tokenizer = await loadTokenizer(assistant);
    for (const text of TEXTS) {
      const stream = createTextStream(tokenizer);
      const pieces = [...tokenizer.encode(text).map(stream.push), stream.flush()];
      expect(pieces.join("")).toBe(text);
      expect(pieces.filter((piece) => piece.includes("\uFFFD"))).toEqual([]);
    }
  });

  test("does not hold text back for ever when the bytes are no character", async () => {
    const tokenizer = await loadTokenizer(assistant);
    const stream = createTextStream(tokenizer);
    const lead = tokenizer.encode("日")[0]!;
    expect(Array.from({ length: 20 }, () => stream.push(lead)).join("")).toContain("\uFFFD");
  });

  test("leaves special tokens out of a stream without losing a space", async () => {
    const tokenizer = await loadTokenizer(assistant);
    const stream = createTextStream(tokenizer);
    const ids = [1, ...tokenizer.encode("a b"), 2];
    expect(ids.map(stream.push).join("") + stream.flush()).toBe("a b");
  });

  test("refuses to decode ids it does not have", async () => {
    const tokenizer = await loadTokenizer(assistant);
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
