/** @file 2,000 damaged copies of each of a tokenizer's files: each is refused, or encodes and decodes without failing. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateJsonBytes } from "../../test/support/mutate.ts";
import { writeSentencePieceTokenizer, writeSmallTokenizer } from "../../test/support/small-tokenizer.ts";
import { createTokenizer, loadTokenizer, type Tokenizer } from "./tokenizer-file.ts";

const texts = ["the other band", "<s>a<|user|>b</s>", "½ 日本語 😀\n\t", ""];

function expectSound(tokenizer: Tokenizer): void {
  const { vocabSize } = tokenizer;
  expect(vocabSize).toBeGreaterThanOrEqual(1);
  for (const text of texts) {
    for (const options of [{}, { addSpecial: true }, { parseSpecial: true }]) {
      const ids = tokenizer.encode(text, options);
      expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < vocabSize)).toBe(true);
      expect(typeof tokenizer.decode(ids)).toBe("string");
      expect(typeof tokenizer.decode(ids, { skipSpecial: true })).toBe("string");
    }
  }
}

const kinds = { "byte-level": writeSmallTokenizer, SentencePiece: writeSentencePieceTokenizer };
const cases = Object.entries(kinds).flatMap(([kind, write]) =>
  ["tokenizer.json", "tokenizer_config.json"].map((name) => ({ kind, write, name })),
);

test.each(cases)("2,000 mutations of a $kind $name are sound or refused", async (one) => {
  const dir = mkdtempSync(join(tmpdir(), "fuzz-"));
  one.write(dir);
  await loadTokenizer(dir);
  const path = join(dir, one.name);
  const { outcomes, reasons } = await fuzz({
    seed: `${one.kind} ${one.name}`,
    damage: damageFile(path, new Uint8Array(readFileSync(path)), mutateJsonBytes),
    read: async () => expectSound(await loadTokenizer(dir)),
  });
  expect(outcomes["read"]).toBeGreaterThan(100);
  expect(reasons).toBeGreaterThan(5);
});

const replaceAll = (content: string) => ({ type: "Replace", pattern: { String: "a" }, content });
const sequence = (key: string, step: unknown, count: number) => ({ type: "Sequence", [key]: Array(count).fill(step) });

test.each<[string, Record<string, unknown>]>([
  ["replacements that multiply", { normalizer: sequence("normalizers", replaceAll("aaaa"), 15) }],
  ["the same, nested", { normalizer: sequence("normalizers", sequence("normalizers", replaceAll("aaaa"), 4), 4) }],
  ["one very long replacement", { normalizer: replaceAll("a".repeat(4096)) }],
  ["long prefixes", { normalizer: sequence("normalizers", { type: "Prepend", prepend: "a".repeat(64) }, 20) }],
  ["bytes as characters as bytes …", { pre_tokenizer: sequence("pretokenizers", { type: "ByteLevel" }, 30) }],
  [
    "a text repeated by its template",
    {
      post_processor: {
        type: "TemplateProcessing",
        single: Array(10_000).fill({ Sequence: { id: "A", type_id: 0 } }),
        pair: [],
        special_tokens: {},
      },
    },
  ],
  ["a decoder that multiplies", { decoder: sequence("decoders", replaceAll("aaaa"), 15) }],
  ["a thousand steps", { normalizer: sequence("normalizers", { type: "Lowercase" }, 1000) }],
])("a bomb is refused before it goes off: %s", (_, parts) => {
  const json = { added_tokens: [], model: { type: "BPE", vocab: { a: 0, b: 1 }, merges: [] }, ...parts };
  expect(() => createTokenizer(json)).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
});
