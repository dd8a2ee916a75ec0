/**
 * @file Published GGUF files, opened alone: greedy text of 20 prompts is that of llama.cpp on the same values. They are widened for it, for
 * beside blocks it rounds what they are multiplied with, which changes near words. Files that are absent are skipped.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Llama } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDecoder } from "../../src/decode/decoder.ts";
import { ggufTokenizer } from "../../src/export/gguf-tokenizer.ts";
import { saveGgufModel } from "../../src/models/gguf/save.ts";
import { openModel } from "../../src/models/model-file.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { missingLlamaCpp, openLlamaCpp, startLlamaCpp } from "../support/llama-cpp.ts";

const at = (path: string) => resolve(import.meta.dirname, "../../..", path);
const files = {
  "SmolLM2-135M-Instruct": resolve(import.meta.dirname, "../../pairs/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
  "Qwen2.5-Coder-0.5B-Instruct": at("weights/qwen/Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf"),
  "Gemma 3 270M": at("weights/gemma/gemma-3-270m-q4_k_m.gguf"),
};
const maxTokens = 12;

const prompts = [
  "The capital of France is",
  "def fibonacci(n):\n",
  "Once upon a time, in a small village by the sea,",
  "To bake bread you need flour, water,",
  "Q: How many legs does a spider have?\nA:",
  "The opposite of hot is",
  '<div class="header">',
  "SELECT name, price FROM products WHERE",
  "In 1969, the first people",
  "Dear Sir or Madam,\n\nI am writing to",
  "Die Hauptstadt von Deutschland ist",
  "El perro corre por el",
  "1, 2, 3, 4, 5,",
  '{"name": "Alice", "age":',
  "The three primary colours are",
  "Water boils at 100 degrees",
  "import numpy as np\n\nx = np.",
  "My favourite book is about a girl who",
  "Photosynthesis is the process by which",
  "naïve café 😀 —",
];

const missing = missingLlamaCpp();

describe.skipIf(missing !== undefined)(missing === undefined ? "llama.cpp" : `llama.cpp (skipped: ${missing})`, () => {
  let folder: string;
  let llama: Llama;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "published-"));
    llama = await startLlamaCpp();
  });
  afterAll(async () => {
    await llama.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const [name, path] of Object.entries(files))
    test.skipIf(!existsSync(path))(`${name}${existsSync(path) ? "" : ` (skipped: ${path} is absent)`}`, async () => {
      const tokenizer = await loadTokenizer(path);
      const wide = join(folder, "wide.gguf");
      const { ends, asked } = await askOurs(path, wide, tokenizer);
      await using theirs = await openLlamaCpp(llama, wide, { contextSize: 128 });
      for (const { text, ids, answer } of asked) {
        expect(theirs.tokenize(text), text).toEqual(tokenizer.encode(text));
        expect(await theirs.greedy(ids, { maxTokens, ends }), text).toEqual(answer);
      }
    });
});

/** Our answers to all prompts; the file's values as they are widened, for llama.cpp too. The model is closed again: it is large. */
async function askOurs(path: string, wide: string, tokenizer: Tokenizer) {
  const model = await openModel(path);
  const { eosIds: ends } = model.config;
  await saveGgufModel(wide, model, { type: "F32", about: await ggufTokenizer(path, model.config) });
  await using decoder = await createDecoder(model, { threads: 1, capacity: 128 });
  const asked: { text: string; ids: readonly number[]; answer: readonly number[] }[] = [];
  for (const text of prompts) {
    const ids = tokenizer.encode(text, { addSpecial: true });
    asked.push({ text, ids, answer: (await decoder.generate(ids, { maxTokens })).ids });
  }
  return { ends, asked };
}
