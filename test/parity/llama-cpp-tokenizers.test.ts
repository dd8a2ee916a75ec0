/** @file Tokenizers of published models through our GGUF metadata: llama.cpp and our own reading of the file give the ids that its test vectors demand. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Llama } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ggufTokenizer } from "../../src/export/gguf-tokenizer.ts";
import { saveGgufModel } from "../../src/models/gguf/save.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { missingLlamaCpp, openLlamaCpp, startLlamaCpp } from "../support/llama-cpp.ts";
import { randomLlama } from "../support/random-llama.ts";
import { gpt2, llama2, llama3, qwen2, type TokenizerFiles } from "../support/vocab-files.ts";

const shared = resolve(import.meta.dirname, "../../../shared/tokenizers");
const missing = missingLlamaCpp() ?? (existsSync(shared) ? undefined : "../shared/tokenizers is absent");

type Kind = { read: (folder: string) => TokenizerFiles; vectors: string; model: string; pre: string | undefined };
const kinds: Readonly<Record<string, Kind>> = {
  gpt2: { read: gpt2, vectors: "gpt-2", model: "gpt2", pre: "gpt-2" },
  llama2: { read: llama2, vectors: "llama-spm", model: "llama", pre: undefined },
  llama3: { read: llama3, vectors: "llama-bpe", model: "gpt2", pre: "llama-bpe" },
  "qwen2.5": { read: qwen2, vectors: "qwen2", model: "gpt2", pre: "qwen2" },
};

describe.skipIf(missing !== undefined)(missing === undefined ? "llama.cpp" : `llama.cpp (skipped: ${missing})`, () => {
  const folder = mkdtempSync(join(tmpdir(), "llama-cpp-tokenizers-"));
  let llama: Llama;
  beforeAll(async () => {
    llama = await startLlamaCpp();
  });
  afterAll(async () => {
    await llama.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(Object.entries(kinds))("%s", async (name, { read, vectors, model, pre }) => {
    const { json, config } = read(join(shared, name));
    writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(json));
    writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
    const vocab = (await loadTokenizer(folder)).vocabSize;
    const random = randomLlama({ vocab, hidden: 8, ffn: 8, layers: 1, heads: 1, kvHeads: 1, tied: true });
    const about = await ggufTokenizer(folder, random.config);
    expect(about.get("tokenizer.ggml.model")?.value).toBe(model);
    expect(about.get("tokenizer.ggml.pre")?.value).toBe(pre);
    const path = join(folder, `${name}.gguf`);
    await saveGgufModel(path, random, { type: "F16", about });
    await using opened = await openLlamaCpp(llama, path);
    const texts = readFileSync(join(shared, "vectors", `ggml-vocab-${vectors}.gguf.inp`), "utf8");
    const ids = readFileSync(join(shared, "vectors", `ggml-vocab-${vectors}.gguf.out`), "utf8").split("\n");
    const cases = texts.split("\n__ggml_vocab_test__\n");
    expect(cases).toHaveLength(47);
    const readBack = await loadTokenizer(path);
    for (const [i, text] of cases.entries()) {
      const wanted = (ids[i]!.match(/\d+/g) ?? []).map(Number);
      expect(opened.tokenize(text), JSON.stringify(text)).toEqual(wanted);
      expect(readBack.encode(text), `read back: ${JSON.stringify(text)}`).toEqual(wanted);
      expect(readBack.decode(wanted)).toBe(text);
    }
  });
});
