/** @file Tokenizers of published models give the ids that llama.cpp's test vectors demand, and the text back. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../../src/text/tokenizer-file.ts";
import { gpt2, llama2, llama3, qwen2, type TokenizerFiles } from "../support/vocab-files.ts";

const shared = join(import.meta.dirname, "../../../shared/tokenizers");

const models: Readonly<Record<string, { read: (folder: string) => TokenizerFiles; vectors: string }>> = {
  gpt2: { read: gpt2, vectors: "ggml-vocab-gpt-2" },
  llama2: { read: llama2, vectors: "ggml-vocab-llama-spm" },
  llama3: { read: llama3, vectors: "ggml-vocab-llama-bpe" },
  "qwen2.5": { read: qwen2, vectors: "ggml-vocab-qwen2" },
};

function readVectors(name: string): { text: string; ids: number[] }[] {
  const path = join(shared, "vectors", `${name}.gguf`);
  const texts = readFileSync(`${path}.inp`, "utf8").split("\n__ggml_vocab_test__\n");
  const lines = readFileSync(`${path}.out`, "utf8").split("\n");
  return texts.map((text, i) => ({ text, ids: (lines[i]!.match(/\d+/g) ?? []).map(Number) }));
}

describe.each(Object.entries(models))("the tokenizer of %s", (name, { read, vectors }) => {
  test.skipIf(!existsSync(join(shared, name)))(
    "agrees with every test vector (skipped without ../shared/tokenizers)",
    () => {
      const { json, config } = read(join(shared, name));
      const tokenizer = createTokenizer(json, config);
      const cases = readVectors(vectors);
      expect(cases).toHaveLength(47);
      const different = cases.filter(({ text, ids }) => String(tokenizer.encode(text)) !== String(ids));
      expect(different.map(({ text, ids }) => ({ text, ids, found: tokenizer.encode(text) }))).toEqual([]);
      const changed = cases.filter(({ text, ids }) => tokenizer.decode(ids) !== text);
      expect(changed.map(({ text, ids }) => ({ text, found: tokenizer.decode(ids) }))).toEqual([]);
    },
  );
});
