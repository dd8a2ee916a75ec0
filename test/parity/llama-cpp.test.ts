/** @file What we export, run by llama.cpp: the same tokens as our runtime gives. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Llama } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/base/rng.ts";
import { createCachedModel } from "../../src/decode/cached-model.ts";
import { createDecoder } from "../../src/decode/decoder.ts";
import { exportFormats } from "../../src/export/formats.ts";
import { ggufAdapterFile } from "../../src/export/gguf-adapter.ts";
import { ggufMergedFile } from "../../src/export/gguf-merged.ts";
import { ggufTokenizer } from "../../src/export/gguf-tokenizer.ts";
import { runExport } from "../../src/export/run-export.ts";
import type { Adapter } from "../../src/lora/low-rank.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { yarnMagnitude } from "../../src/models/config-keys.ts";
import { saveGgufModel } from "../../src/models/gguf/save.ts";
import { mergeAdapter } from "../../src/models/merge-adapter.ts";
import type { Model } from "../../src/models/model.ts";
import { openModel, saveModel } from "../../src/models/model-file.ts";
import { assembleLora } from "../../src/pair/merge.ts";
import { createSpecializer } from "../../src/pair/specialize.ts";
import { encodeInput } from "../../src/text/prompt.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { missingLlamaCpp, openLlamaCpp, startLlamaCpp } from "../support/llama-cpp.ts";
import { randomAdapter } from "../support/random-adapter.ts";
import { randomLlama } from "../support/random-llama.ts";
import { openTinyPair, testTokenizer } from "../support/tiny-pair.ts";

const missing = missingLlamaCpp();

const systemPrompts = [
  "Classify the sentiment of the message. Answer positive or negative.",
  "Answer in JSON with the keys intent and slots.",
  "You route messages of a bank. Say which team should read it: cards, loans or accounts.",
  "Rewrite the sentence politely.",
  "Is it a question? Say yes or no, then repeat the message in capitals.",
];
const inputs = [
  "what a lovely day",
  "my card was stolen on 24 December 2024!",
  "Is there a table for 12 at the Blue Café?",
  "cancel    my  order\nplease",
  "I'd like to pay £1,250.50 — today, if that's OK",
  "where's the nearest cash machine",
  "日本語 and русский text, naïve 😀",
  "book flight AB1234 from Rome to Oslo",
  "the service was slow and it'll cost you",
  "no",
];

/** What a model is asked, and what ours says: the continuation in `maxTokens` tokens at most. */
type Asked = { readonly prompt: readonly number[]; readonly answer: readonly number[]; readonly isEnded: boolean };

async function askOurs(
  model: Pick<Model, "config" | "weights">,
  prompts: readonly (readonly number[])[],
  maxTokens: number,
): Promise<Asked[]> {
  await using decoder = await createDecoder(model, { threads: 1 });
  const asked: Asked[] = [];
  for (const prompt of prompts) {
    const { ids, finish } = await decoder.generate(prompt, { maxTokens });
    asked.push({ prompt, answer: ids, isEnded: finish === "stop" });
  }
  return asked;
}

/** The likeliest token behind each position of prompts and answers. */
async function likeliestOfOurs(model: Pick<Model, "config" | "weights">, sequences: readonly (readonly number[])[]) {
  await using cached = await createCachedModel(model, { threads: 1 });
  const found: number[][] = [];
  for (const ids of sequences) {
    cached.rewind([], { reuse: false });
    const logits = await cached.feedAll(ids);
    found.push(ids.map((_, i) => argmax(logits.subarray(i * model.config.vocab, (i + 1) * model.config.vocab))));
  }
  return found;
}

const argmax = (row: Float32Array) => row.reduce((best, value, i) => (value > row[best]! ? i : best), 0);

describe.skipIf(missing !== undefined)(missing === undefined ? "llama.cpp" : `llama.cpp (skipped: ${missing})`, () => {
  let folder: string;
  let llama: Llama;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "llama-cpp-"));
    llama = await startLlamaCpp();
  });
  afterAll(async () => {
    await llama.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  async function expectSameAnswers(
    path: string,
    adapter: string | undefined,
    asked: readonly Asked[],
    ends: readonly number[],
  ) {
    await using model = await openLlamaCpp(llama, path, adapter === undefined ? {} : { adapter });
    for (const { prompt, answer, isEnded } of asked) {
      const maxTokens = answer.length + (isEnded ? 1 : 0); // one more shows whether theirs ends there too
      expect(await model.greedy(prompt, { maxTokens, ends }), `prompt of ${prompt.length} tokens`).toEqual(answer);
    }
  }

  /** The base model as F32, and the exports of an adapter in all types. */
  async function exportAll(name: string, base: Model, adapter: Adapter, tokenizerDirectory: string) {
    const at = (part: string) => join(folder, `${name}-${part}`);
    const about = await ggufTokenizer(tokenizerDirectory, base.config);
    await saveGgufModel(at("base.gguf"), base, { type: "F32", about });
    const request = {
      base,
      adapter,
      scale: 1,
      kind: "specialization",
      adapterSha256: "0".repeat(64),
      name,
      baseName: name,
      tokenizerDirectory,
      llamaCpp: llama,
    } as const;
    await runExport(exportFormats.gguf, { ...request, out: at("adapter") });
    for (const type of ["f32", "q8_0"] as const)
      await runExport(exportFormats["gguf-merged"], { ...request, type, out: at(type) });
    return {
      base: at("base.gguf"),
      adapter: join(at("adapter"), ggufAdapterFile),
      merged: join(at("f32"), ggufMergedFile),
      q8: join(at("q8_0"), ggufMergedFile),
    };
  }

  /** Share of positions at which llama.cpp on Q8_0 finds the token likeliest that we do in fp32. */
  async function agreement(path: string, model: Pick<Model, "config" | "weights">, asked: readonly Asked[]) {
    const sequences = asked.map(({ prompt, answer }) => [...prompt, ...answer]);
    const ours = await likeliestOfOurs(model, sequences);
    await using theirs = await openLlamaCpp(llama, path);
    let [same, all] = [0, 0];
    for (const [i, ids] of sequences.entries()) {
      const found = await theirs.likeliest(ids, 0);
      same += found.filter((token, at) => token === ours[i]![at]).length;
      all += found.length;
    }
    return { share: same / all, all };
  }

  const shape = { hidden: 64, ffn: 96, layers: 3, context: 256 } as const;

  test("a pair's specialisations: 50 prompts give the same text through the GGUF adapter and the merged GGUF; Q8_0 agrees on 95 % of tokens", async () => {
    const pair = await openTinyPair({ cloud: shape, edge: { ...shape, headDim: 16 } });
    await using specializer = await createSpecializer(pair, { threads: 1 });
    const ends = pair.edge.config.eosIds;
    let [answered, same, all] = [0, 0, 0];
    for (const [i, prompt] of systemPrompts.entries()) {
      // At full strength the experts of a tiny pair, random as they are, outweigh what they are added to.
      const adapter = assembleLora(pair, await specializer.specialize(prompt), { scale: 0.25 });
      const files = await exportAll(`pair-${i}`, pair.edge, adapter, testTokenizer);
      const model = { config: pair.edge.config, weights: await mergeAdapter(pair.edge.weights, adapter) };
      const prompts = inputs.map((input) => encodeInput(pair.tokenizer, pair.layout, input));
      const asked = await askOurs(model, prompts, 24);
      await expectSameAnswers(files.merged, undefined, asked, ends);
      await expectSameAnswers(files.base, files.adapter, asked, ends);
      const found = await agreement(files.q8, model, asked);
      answered += asked.length;
      all += found.all;
      same += found.share * found.all;
    }
    console.info(
      `pair: ${answered} prompts the same; Q8_0 agrees on ${((100 * same) / all).toFixed(2)} % of ${all} tokens`,
    );
    expect(answered).toBeGreaterThanOrEqual(50);
    expect(same / all).toBeGreaterThanOrEqual(0.95);
  });

  test("a tokenizer's metadata make llama.cpp tokenise as we do", async () => {
    const pair = await openTinyPair();
    const path = join(folder, "tokens.gguf");
    await saveGgufModel(path, pair.edge, {
      type: "F16",
      about: await ggufTokenizer(testTokenizer, pair.edge.config),
    });
    await using model = await openLlamaCpp(llama, path);
    const rng = createRng("texts");
    const pieces = [
      " ",
      "  ",
      "\n",
      "a",
      "the",
      "2024",
      "'s",
      "'ll",
      "é",
      "😀",
      "\t",
      ",",
      "...",
      " 7",
      "日本",
      "I'D",
      "_",
      "(",
      "  \n ",
    ];
    const random = Array.from({ length: 100 }, () =>
      Array.from({ length: 1 + rng.int(12) }, () => rng.pick(pieces)).join(""),
    );
    for (const text of [...inputs, ...systemPrompts, ...random]) {
      const ids = pair.tokenizer.encode(text);
      expect(model.tokenize(text), JSON.stringify(text)).toEqual(ids);
    }
    // Where nothing invites llama.cpp to drop the space before a sign, whole texts come back.
    for (const text of [...inputs, ...systemPrompts])
      expect(model.detokenize(pair.tokenizer.encode(text)), text).toBe(text);
  });

  const kinds: Readonly<Record<string, Partial<ModelConfig> & { seed?: number }>> = {
    llama: { ...shape, headDim: 16, kvHeads: 2 },
    "llama 3.1": {
      ...shape,
      headDim: 16,
      kvHeads: 4,
      ropeScaling: { type: "llama3", factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 256 },
    },
    mistral: { ...shape, modelType: "mistral", headDim: 16, windows: [128, 128, 128] },
    qwen2: { ...shape, modelType: "qwen2", headDim: 16, biased: ["q", "k", "v"], ropeTheta: 1e6, tied: true },
    qwen3: { ...shape, modelType: "qwen3", headDim: 32, ropeTheta: 1e6, tied: true },
    gemma: { ...shape, modelType: "gemma", headDim: 32, kvHeads: 1, tied: true },
    "qwen3, yarn": {
      ...shape,
      modelType: "qwen3",
      headDim: 32,
      ropeScaling: { type: "yarn", factor: 4, originalContext: 64, fast: 32, slow: 1, magnitude: yarnMagnitude(4) },
    },
    // Six layers: one without a window. llama.cpp takes GELU from a table of fp16: logits of all Gemmas are 1e-3 off,
    // and those of seed 3 lie closer than that at one step.
    gemma3: {
      ...shape,
      seed: 4,
      layers: 6,
      modelType: "gemma3_text",
      headDim: 32,
      tied: true,
      windows: [16, 16, 16, 16, 16, 0],
      queryScalar: 32,
      ropeTheta: 1e6,
      ropeScaling: { type: "linear", factor: 8 },
      windowRotary: { theta: 10000, scaling: undefined },
    },
    granite: {
      ...shape,
      modelType: "granite",
      headDim: 16,
      tied: true,
      multipliers: { embedding: 12, residual: 0.25, attention: 0.125, logitDivisor: 0.5 },
    },
    smollm3: {
      ...shape,
      layers: 5,
      modelType: "smollm3",
      headDim: 16,
      tied: true,
      ropeTheta: 2e6,
      unturned: [false, false, false, true, false],
    },
    // By this name llama.cpp would ask for tokens that this vocabulary does not have: the export changes it.
    "phi3, longrope": {
      ...shape,
      modelType: "phi3",
      headDim: 16,
      turned: 12,
      ropeScaling: {
        type: "longrope",
        short: Array.from({ length: 6 }, (_, i) => 1 + i / 40),
        long: Array.from({ length: 6 }, (_, i) => 2 + i),
        originalContext: 1024, // llama.cpp asks for 512 positions
        magnitude: 1.19,
      },
      context: 1024,
    },
    lfm2: {
      ...shape,
      layers: 4,
      modelType: "lfm2",
      headDim: 16,
      tied: true,
      ropeTheta: 1e6,
      convolution: { width: 3, layers: [true, false, true, true] },
    },
    gemma2: {
      ...shape,
      modelType: "gemma2",
      headDim: 32,
      tied: true,
      windows: [16, 0, 16],
      attentionCap: 50,
      logitCap: 30,
      queryScalar: 32,
    },
  };

  test.each(Object.entries(kinds))(
    "%s: 50 prompts give the same tokens through the GGUF adapter and the merged GGUF",
    async (name, changes) => {
      const tokenizer = await loadTokenizer(testTokenizer);
      const random = randomLlama({ seed: 3, vocab: tokenizer.vocabSize, bosId: 1, eosIds: [2], ...changes });
      const directory = join(folder, name);
      const values = (weight: string) => (random.weights[weight] as { data: Float32Array }).data;
      const names = Object.keys(random.weights).filter((weight) => !weight.startsWith("rope."));
      await saveModel(directory, random.config, new Map(names.map((weight) => [weight, values(weight)])));
      const base = await openModel(directory);
      const adapter = randomAdapter(base.config);
      const files = await exportAll(name, base, adapter, testTokenizer);
      const model = { config: base.config, weights: await mergeAdapter(base.weights, adapter) };
      const rng = createRng("prompts");
      const prompts = Array.from({ length: 50 }, (_, i) =>
        Array.from({ length: 1 + (i % 40) }, (_, at) => (at === 0 ? 1 : 7 + rng.int(tokenizer.vocabSize - 7))),
      );
      const asked = await askOurs(model, prompts, 12);
      await expectSameAnswers(files.merged, undefined, asked, base.config.eosIds);
      await expectSameAnswers(files.base, files.adapter, asked, base.config.eosIds);
      const { share, all } = await agreement(files.q8, model, asked);
      console.info(
        `${name}: ${prompts.length} prompts the same; Q8_0 agrees on ${(100 * share).toFixed(2)} % of ${all} tokens`,
      );
      expect(share).toBeGreaterThanOrEqual(0.95);
    },
  );
});
