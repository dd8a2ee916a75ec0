/** @file A pair on disk: what belongs together is opened together, what does not fit is named. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { writeGgufCopy } from "../../test/support/gguf-copy.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import type { AppError } from "../base/errors.ts";
import { float16ToFloat32, float32ToFloat16 } from "../base/half.ts";
import { sha256File } from "../base/hash-file.ts";
import { generatorBuffers, generatorParameters, type PairShape } from "../generator/parameters.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { loadTokenizer } from "../text/tokenizer-file.ts";
import { readGenerator, writeGenerator } from "./generator-file.ts";
import { loadPair, writePairFile } from "./pair-file.ts";
import { specialize } from "./specialize.ts";

const folder = () => mkdtempSync(join(tmpdir(), "pair-"));

let sound: string;
let shape: PairShape;
beforeAll(async () => {
  sound = folder();
  shape = await writeTinyPair(sound);
});

function copy(): string {
  const directory = folder();
  cpSync(sound, directory, { recursive: true });
  return directory;
}

function edit(path: string, change: (file: Record<string, unknown>) => Record<string, unknown>): void {
  const file = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...file, ...change(file) }));
}

test("a pair is read as it was written", async () => {
  const pair = await loadPair(sound);
  expect(pair.shape).toEqual(shape);
  expect(pair).toMatchObject({ name: "tiny 0", layout: SPECIAL_TOKEN_LAYOUT });
  expect(pair.edge.sha256).toBe(await sha256File(join(sound, "edge/model.safetensors")));
  expect(pair.generator.sha256).toBe(await sha256File(join(sound, "generator/model.safetensors")));
  expect([...pair.generator.tensors.keys()]).toEqual([
    ...generatorParameters(shape).keys(),
    ...generatorBuffers(shape).keys(),
  ]);
});

test("its parts may have other names, but must lie inside the pair", async () => {
  const directory = copy();
  cpSync(join(directory, "edge"), join(directory, "edge-2"), { recursive: true });
  await writePairFile(directory, { name: "renamed", edge: "edge-2", layout: SPECIAL_TOKEN_LAYOUT });
  expect((await loadPair(directory)).edge.directory).toBe(join(directory, "edge-2"));
  for (const edge of ["../edge", "/tmp", ".", "a/b", ""]) {
    edit(join(directory, "pair.json"), () => ({ edge }));
    await expect(loadPair(directory), edge).rejects.toThrow(/edge: expected the plain name/);
  }
});

test("one GGUF file is cloud model, edge model and tokenizer of a pair that names nothing else", async () => {
  const directory = copy();
  const tokenizer = join(directory, "tokenizer");
  await writeGgufCopy(join(directory, "model.gguf"), join(directory, "edge"), { tokenizer });
  const before = await loadTokenizer(tokenizer);
  for (const part of ["edge", "cloud", "tokenizer"]) rmSync(join(directory, part), { recursive: true });
  await writePairFile(directory, {
    name: "one",
    cloud: "model.gguf",
    edge: "model.gguf",
    layout: SPECIAL_TOKEN_LAYOUT,
  });
  const pair = await loadPair(directory);
  expect(pair.tokenizerPath).toBe(join(directory, "model.gguf"));
  expect(pair.cloudTokenizer).toBe(pair.tokenizer);
  const text = "<s> Book 12 tables at Sino's —日本語 😀";
  expect(pair.tokenizer.encode(text)).toEqual(before.encode(text));
  expect(pair.tokenizer.encode(text, { parseSpecial: true })).toEqual(before.encode(text, { parseSpecial: true }));
});

test("what is no pair is told what a pair is", async () => {
  const directory = folder();
  await expect(loadPair(directory)).rejects.toMatchObject({
    code: "E_NOT_FOUND",
    message: `${directory}: has no pair.json; expected a pair: a folder with pair.json, which names a cloud model, an edge model and a generator that was trained over them with \`loragen train\``,
  });
  const file = join(directory, "model.gguf");
  writeFileSync(file, "GGUF");
  await expect(loadPair(file)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringMatching(
      /model\.gguf: is a file; expected a pair: .*A GGUF file is a model: it may be the cloud and the edge/,
    ) as unknown,
  });
  await expect(loadPair(join(directory, "nowhere"))).rejects.toMatchObject({ code: "E_NOT_FOUND" });
});

test("a layout with a word of 10 MB is refused before anything of the pair is opened, in a line that does not repeat it", async () => {
  const directory = copy();
  rmSync(join(directory, "edge"), { recursive: true });
  edit(join(directory, "pair.json"), () => ({ layout: { ...SPECIAL_TOKEN_LAYOUT, user: "<s>".repeat(3_500_000) } }));
  const refused = await loadPair(directory).catch((error: unknown) => error as AppError);
  expect(refused).toMatchObject({ code: expect.stringMatching(/^E_(FORMAT|LIMIT)$/) as unknown });
  expect((refused as AppError).message.length).toBeLessThan(500);
});

test("a model of a pair may be on the hub at a commit, where a resolver finds it", async () => {
  const directory = copy();
  const name = `org/edge@${"c".repeat(40)}`;
  await writePairFile(directory, { name: "apart", edge: name, layout: SPECIAL_TOKEN_LAYOUT });
  await expect(loadPair(directory)).rejects.toMatchObject({ code: "E_CONFIG" });
  const asked: string[] = [];
  const resolveModel = async (wanted: string) => {
    asked.push(wanted);
    return join(sound, "edge");
  };
  expect((await loadPair(directory, { resolveModel })).edge.directory).toBe(join(sound, "edge"));
  expect(asked).toEqual([name]);
});

test("a generator over other weights than it was trained over says so, and names both", async () => {
  const directory = copy();
  const { cloud, edge } = await loadPair(directory);
  const over = (edgeSha256: string) =>
    edit(join(directory, "generator/generator.json"), () => ({
      trainedOver: { cloud: cloud.sha256, edge: edgeSha256 },
    }));
  const warnings: string[] = [];
  const warn = (message: string) => warnings.push(message);
  over(edge.sha256);
  await loadPair(directory, { warn });
  expect(warnings).toEqual([]);
  const other = "0".repeat(64);
  over(other);
  await loadPair(directory, { warn });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain(`trained over the edge model ${other}, but this pair's is ${edge.sha256}`);
});

test("a tokenizer with more tokens than a model has embeddings is refused", async () => {
  const directory = copy();
  edit(join(directory, "tokenizer/tokenizer.json"), ({ added_tokens: tokens }) => ({
    added_tokens: [...(tokens as unknown[]), { id: 4096, content: "<one-more>", special: true }],
  }));
  await expect(loadPair(directory)).rejects.toMatchObject({ code: "E_MISMATCH" });
});

test("a generator of another shape is refused, naming the tensor and both shapes", async () => {
  const directory = copy();
  edit(join(directory, "generator/generator.json"), ({ generator }) => ({
    generator: { ...(generator as object), rank: 5 },
  }));
  await expect(loadPair(directory)).rejects.toMatchObject({
    code: "E_SHAPE",
    message: expect.stringMatching(/"experts\.0\.mlp\.gate_proj\.A" should be \[20,32\], found \[16,32\]/),
  });
  edit(join(directory, "generator/generator.json"), ({ generator }) => ({
    generator: { ...(generator as object), rank: 4, poolScope: "layer" },
  }));
  await expect(loadPair(directory)).rejects.toThrow(/"experts\.1\.mlp\.gate_proj\.A" should be .* found none/);
});

test("what is missing is named", async () => {
  await expect(loadPair(folder())).rejects.toMatchObject({
    code: "E_NOT_FOUND",
    message: expect.stringContaining("pair.json"),
  });
});

test("a generator written in fp16 reads as its rounded values; running statistics stay fp32", async () => {
  const { tensors } = await readGenerator(join(sound, "generator"), shape);
  const directory = folder();
  await writeGenerator(directory, shape, tensors, tensors, { dtype: "F16" });
  const halved = (await readGenerator(directory, shape)).tensors;
  for (const name of generatorParameters(shape).keys())
    expect(halved.get(name)).toEqual(float16ToFloat32(float32ToFloat16(tensors.get(name)!)));
  for (const name of generatorBuffers(shape).keys()) expect(halved.get(name)).toEqual(tensors.get(name));
});

test("a generator of some of the cloud's layers: the others are not among its weights, and gates are those of the shorter model", async () => {
  const directory = folder();
  await writeTinyPair(directory, { cloud: { layers: 3 }, generator: { cloudLayers: 2 } });
  const pair = await loadPair(directory);
  expect(pair.cloud.config.layers).toBe(2);
  expect(Object.keys(pair.cloud.weights).filter((name) => name.startsWith("model.layers.2."))).toEqual([]);
  expect(Object.keys(pair.cloud.weights)).toContain("model.layers.1.mlp.up_proj.weight");
  const { gates } = await specialize(pair, "Answer with yes or no.");
  edit(join(directory, "cloud/config.json"), () => ({ num_hidden_layers: 2 }));
  edit(join(directory, "generator/generator.json"), ({ generator }) => ({
    generator: { ...(generator as object), cloudLayers: null },
  }));
  expect((await specialize(await loadPair(directory), "Answer with yes or no.")).gates).toEqual(gates);
  edit(join(directory, "generator/generator.json"), ({ generator }) => ({
    generator: { ...(generator as object), cloudLayers: 3 },
  }));
  await expect(loadPair(directory)).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringMatching(/generator: cloudLayers: expected at most the model's 2 layers, found 3/) as unknown,
  });
});
