/** @file Models through GGUF files: written and opened again they are the same, whatever their architecture. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { distance } from "../../../test/support/numeric.ts";
import { fullLogits, randomLlama } from "../../../test/support/random-llama.ts";
import { type GgufField, openGguf, readGgufTensor } from "../../files/gguf/read.ts";
import { pairRows, unpairRows } from "../../files/gguf/rows.ts";
import { writeGguf } from "../../files/gguf/write.ts";
import type { ModelConfig } from "../config.ts";
import { yarnMagnitude } from "../config-keys.ts";
import { openModel } from "../model-file.ts";
import { type GgufModelType, ggufStoredType, saveGgufModel } from "./save.ts";

const folder = mkdtempSync(join(tmpdir(), "gguf-model-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "model.gguf");
const ids = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7];

const kinds: Readonly<Record<string, Partial<ModelConfig>>> = {
  llama: {},
  "llama with biases": { biased: ["q", "k", "v", "o"] },
  "llama with linear scaling": { ropeScaling: { type: "linear", factor: 4 } },
  "llama 3.1": {
    context: 1024,
    headDim: 32, // enough frequencies to tell from them what they were stretched from
    ropeScaling: { type: "llama3", factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 512 },
  },
  "llama with a tied head": { tied: true },
  qwen3: { modelType: "qwen3", headDim: 16, tied: true },
  "qwen3, yarn": {
    modelType: "qwen3",
    ropeScaling: { type: "yarn", factor: 4, originalContext: 16, fast: 32, slow: 1, magnitude: yarnMagnitude(4) },
  },
  gemma3: {
    modelType: "gemma3_text",
    layers: 7,
    windows: [8, 8, 8, 8, 8, 0, 8],
    queryScalar: 8,
    ropeTheta: 1e6,
    windowRotary: { theta: 20000, scaling: undefined },
  },
  granite: {
    modelType: "granite",
    multipliers: { embedding: 12, residual: 0.22, attention: 0.015625, logitDivisor: 8 },
  },
  smollm3: { modelType: "smollm3", layers: 5, unturned: [false, false, false, true, false] },
  phi3: { modelType: "phi3", tied: true },
  "phi3, windows, part of each head": { modelType: "phi3", turned: 6, windows: [32, 32], context: 32 },
  "phi3, longrope": {
    modelType: "phi3",
    turned: 6,
    ropeScaling: { type: "longrope", short: [1, 1.1, 1.3], long: [1.5, 4, 9], originalContext: 64, magnitude: 1.19 },
  },
  lfm2: { modelType: "lfm2", layers: 3, tied: true, convolution: { width: 3, layers: [true, false, true] } },
  qwen2: { modelType: "qwen2", biased: ["q", "k", "v"], ropeTheta: 1e6 },
  gemma: { modelType: "gemma", tied: true, headDim: 16 },
  gemma2: {
    modelType: "gemma2",
    tied: true,
    headDim: 16,
    windows: [8, 0],
    attentionCap: 50,
    logitCap: 30,
    queryScalar: 16,
  },
};

test.each(Object.entries(kinds))("%s comes back from a GGUF file as it was", async (_, changes) => {
  const model = randomLlama(changes);
  const about = new Map<string, GgufField>([
    ["tokenizer.ggml.bos_token_id", { type: "u32", value: 1 }],
    ["tokenizer.ggml.eos_token_id", { type: "u32", value: 2 }],
  ]);
  await saveGgufModel(path, model, { type: "F32", about });
  const opened = await openModel(path);
  const { queryScalar, ...config } = model.config;
  expect(opened.config).toEqual({ ...config, queryScalar: queryScalar ?? opened.config.queryScalar });
  const [before, after] = [
    await fullLogits(model, ids),
    await fullLogits({ ...opened, weights: { ...opened.weights } }, ids),
  ];
  for (const [i, row] of before.entries()) expect(distance(after[i]!, row)).toBeLessThan(1e-5);
});

test("mistral becomes a llama whose context ends at the window", async () => {
  const model = randomLlama({ modelType: "mistral", windows: [16, 16] });
  await saveGgufModel(path, model, { type: "F32" });
  const opened = await openModel(path);
  expect(opened.config).toMatchObject({ modelType: "llama", context: 16, windows: [] });
  const [before, after] = [
    await fullLogits(model, ids),
    await fullLogits({ ...opened, weights: { ...opened.weights } }, ids),
  ];
  expect(distance(after.at(-1)!, before.at(-1)!)).toBeLessThan(1e-5);
});

test.each<[GgufModelType, number]>([
  ["F16", 0.02],
  ["Q8_0", 0.2],
  ["Q4_0", 1],
  ["Q4_1", 1],
])("%s keeps the logits within %d", async (type, tolerance) => {
  const model = randomLlama({ hidden: 64, ffn: 96 });
  await saveGgufModel(path, model, { type });
  const [before, after] = [await fullLogits(model, ids), await fullLogits({ ...(await openModel(path)) }, ids)];
  const gap = distance(after.at(-1)!, before.at(-1)!);
  expect(gap).toBeGreaterThan(0);
  expect(gap).toBeLessThan(tolerance);
});

test("of a model in 4 bits embeddings and head are Q8_0, vectors F32, and rows that are no whole blocks F16", () => {
  for (const type of ["Q4_0", "Q4_1"] as const) {
    const stored = (name: string, shape: number[]) => ggufStoredType(type, name, shape);
    expect(stored("blk.0.ffn_up.weight", [48, 64])).toBe(type);
    expect(stored("blk.0.ffn_up.weight", [48, 48])).toBe("F16");
    expect([stored("token_embd.weight", [50, 64]), stored("output.weight", [50, 64])]).toEqual(["Q8_0", "Q8_0"]);
    expect(stored("blk.0.ffn_norm.weight", [64])).toBe("F32");
  }
});

test("rows of a head are stored in pairs, as llama.cpp's own converter does", () => {
  const rows = Float32Array.from([0, 1, 2, 3, 4, 5, 6, 7]); // 2 heads of 4 rows of 1 value
  const paired = pairRows(rows, 1, 2);
  expect([...paired]).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
  expect(unpairRows(paired, 1, 2)).toEqual(rows);
});

test("what llama.cpp does not have is refused, naming what it has", async () => {
  const refuse = (changes: Partial<ModelConfig>, message: RegExp) =>
    expect(saveGgufModel(path, randomLlama(changes), { type: "F32" })).rejects.toMatchObject({
      code: "E_ARCHITECTURE",
      message: expect.stringMatching(message) as unknown,
    });
  await refuse({ modelType: "opt" }, /no architecture for opt; it has: llama, mistral, qwen2, qwen3, gemma, gemma2/);
  await refuse({ modelType: "qwen3", biased: ["q", "k", "v", "o"] }, /no qwen3 with biases/);
  await refuse({ ...kinds["gemma3"], windows: [8, 8, 8, 8, 8, 8, 8] }, /windows of .*five layers with one/);
  await refuse({ ...kinds["gemma3"], queryScalar: 24 }, /a query scalar of 24; it has 8/);
  await refuse({ ...kinds["smollm3"], unturned: [true, false, false, true, false] }, /every fourth/);
  await refuse({ modelType: "phi3", headDim: 16 }, /no phi3 with 4 heads of 16 in a width of 32/);
  await refuse({ modelType: "phi3", ropeScaling: { type: "linear", factor: 2 } }, /no phi3 with linear scaling/);
  await refuse({ ...kinds["gemma2"], windows: [8, 8] }, /windows of \[8,8\]/);
  await refuse({ ...kinds["gemma2"], queryScalar: 24 }, /a query scalar of 24; it has 16/);
});

/** What the file at `path` holds, ready to be written again. */
async function contents() {
  const file = await openGguf(path);
  const all = await Promise.all(
    [...file.tensors.values()].map(async ({ name, shape }) => {
      const values = await readGgufTensor(file, name);
      return { name, shape, type: "F32" as const, data: () => values };
    }),
  );
  return { metadata: file.metadata, all };
}

test("rope factors of another length than half a head are refused before they are read, however many", async () => {
  await saveGgufModel(path, randomLlama(), { type: "F32" });
  const { metadata, all } = await contents();
  const withFactors = async (length: number) => {
    const factors = { name: "rope_freqs.weight", shape: [length], type: "F32" as const };
    await writeGguf(path, metadata, [{ ...factors, data: () => new Float32Array(length).fill(2) }, ...all]);
    return openModel(path);
  };
  await expect(withFactors(300_000)).rejects.toMatchObject({
    code: "E_SHAPE",
    message: expect.stringMatching(/"rope_freqs.weight" should be \[4\], found \[300000\]/) as unknown,
  });
  await expect(withFactors(3)).rejects.toMatchObject({ code: "E_SHAPE" });
  await expect(withFactors(4)).rejects.toMatchObject({ code: "E_ARCHITECTURE" }); // not those of a Llama 3.1
});

test("longrope with one of its two tensors, and rows that are not those of q, k and v, are refused", async () => {
  await saveGgufModel(path, randomLlama(kinds["phi3, longrope"]), { type: "F32" });
  const { metadata, all } = await contents();
  await writeGguf(
    path,
    metadata,
    all.filter(({ name }) => name !== "rope_factors_short.weight"),
  );
  await expect(openModel(path)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringMatching(/expected both "rope_factors_short.weight" and/) as unknown,
  });
  const cut = all.map((tensor) =>
    tensor.name === "blk.0.attn_qkv.weight"
      ? { ...tensor, shape: [63, 32], data: () => tensor.data().subarray(0, 63 * 32) }
      : tensor,
  );
  await writeGguf(path, metadata, cut);
  await expect(openModel(path)).rejects.toMatchObject({
    code: "E_SHAPE",
    message: expect.stringMatching(/"blk.0.attn_qkv.weight" should be \[64,32\], found \[63,32\]/) as unknown,
  });
});

test("key–value heads by layer: another number of them, and layers without in a model whose layers all attend", async () => {
  await saveGgufModel(path, randomLlama(), { type: "F32" });
  const { metadata, all } = await contents();
  const openWith = async (value: readonly number[]) => {
    const field: GgufField = { type: "array", of: "i32", value };
    await writeGguf(path, new Map(metadata).set("llama.attention.head_count_kv", field), all);
    return openModel(path);
  };
  expect((await openWith([2, 2])).config.kvHeads).toBe(2);
  await expect(openWith([2])).rejects.toMatchObject({ code: "E_FORMAT" });
  for (const value of [
    [2, 0],
    [2, 1],
  ])
    await expect(openWith(value)).rejects.toMatchObject({ code: "E_ARCHITECTURE" });
});

test("files that are no model we know are refused", async () => {
  await saveGgufModel(path, randomLlama(), { type: "F32" });
  const { metadata, all } = await contents();
  const refuse = async (key: string, value: string | number | undefined, code: string, message: RegExp) => {
    const changed = new Map(metadata);
    changed.delete(key);
    if (typeof value === "string") changed.set(key, { type: "string", value });
    if (typeof value === "number") changed.set(key, { type: "u32", value });
    await writeGguf(path, changed, all);
    await expect(openModel(path)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as unknown });
  };
  await refuse("general.architecture", "mamba", "E_ARCHITECTURE", /"mamba" is not supported; expected one of: llama, /);
  await refuse("general.architecture", undefined, "E_FORMAT", /has no "general.architecture"/);
  await refuse("general.architecture", 7, "E_FORMAT", /should be a string, found number/);
  await refuse("general.type", "adapter", "E_FORMAT", /expected a model, found general.type "adapter"/);
  await refuse("llama.block_count", 3, "E_FORMAT", /no tensor named "blk.2/);
  await refuse("llama.feed_forward_length", 47, "E_SHAPE", /should be \[47,32\], found \[48,32\]/);
  await refuse("llama.rope.dimension_count", 4, "E_ARCHITECTURE", /rotated part has 4/);
  await refuse("llama.rope.scaling.type", "longrope", "E_ARCHITECTURE", /"longrope" is not supported/);
  writeFileSync(path, readFileSync(path).subarray(0, 900));
  await expect(openModel(path)).rejects.toMatchObject({ code: "E_FORMAT" });
});

test.each<[name: string, type: "f32" | "f64", value: number]>([
  ["1e308, which is no fp32", "f64", 1e308],
  ["infinity", "f32", Infinity],
  ["no number", "f64", Number.NaN],
  ["zero", "f32", 0],
  ["less than zero", "f32", -1e-5],
])("a norm's epsilon of %s is refused, naming the key", async (_, type, value) => {
  await saveGgufModel(path, randomLlama(), { type: "F32" });
  const { metadata, all } = await contents();
  await writeGguf(path, new Map([...metadata, ["llama.attention.layer_norm_rms_epsilon", { type, value }]]), all);
  await expect(openModel(path)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringContaining("rms_norm_eps") as unknown,
  });
});

test("a NUL makes another name of a key or a tensor: what it stands for is missing, and beside the others it is nothing", async () => {
  const model = randomLlama();
  await saveGgufModel(path, model, { type: "F32" });
  const { metadata, all } = await contents();
  const withNul = (name: string) => name.replace("block_count", "block_count\0").replace("attn_q", "attn_q\0");
  await writeGguf(path, new Map([...metadata].map(([key, field]) => [withNul(key), field] as const)), all);
  await expect(openModel(path)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringContaining('has no "llama.block_count"') as unknown,
  });
  const renamed = all.map((tensor) => ({ ...tensor, name: withNul(tensor.name) }));
  await writeGguf(path, metadata, renamed);
  await expect(openModel(path)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringContaining('"blk.0.attn_q.weight"') as unknown,
  });
  const more = new Map<string, GgufField>([...metadata, ["general.na\0me", { type: "string", value: "a\0b" }]]);
  await writeGguf(path, more, [...all, ...renamed.filter(({ name }) => name.includes("\0"))]);
  const opened = await openModel(path);
  expect(await fullLogits({ ...opened }, ids)).toEqual(await fullLogits(model, ids));
});
