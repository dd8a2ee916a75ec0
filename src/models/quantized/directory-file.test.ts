import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { randomLlama } from "../../../test/support/random-llama.ts";
import { writeSafetensors } from "../../files/safetensors-write.ts";
import type { WeightSource } from "../../runtime/session.ts";
import type { ModelConfig } from "../config.ts";
import { openModel, saveModel } from "../model-file.ts";
import { parameterShapes } from "../parameters.ts";
import { readMergeRecord, refuseMerged } from "../save-merged.ts";
import { quantizeDirectory } from "./directory-file.ts";
import { quantizations, resolveQuantization, smallestRows } from "./layout.ts";
import { quantizeModel } from "./quantize-model.ts";

/** Wide enough that the sizes of blocks differ. */
const wide = { hidden: 64, heads: 2, kvHeads: 2 };

const folders: string[] = [];
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true });
});
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "quantized-"));
  folders.push(path);
  return path;
}

async function plainModel(changes: Partial<ModelConfig> & { readonly seed?: number } = {}): Promise<string> {
  const directory = folder();
  const { config, weights } = randomLlama({ seed: 6, ...changes });
  const values = (name: string) => (weights[name] as { data: Float32Array }).data;
  await saveModel(directory, config, new Map([...parameterShapes(config).keys()].map((name) => [name, values(name)])));
  return directory;
}

function bytesOf(source: WeightSource): Uint8Array {
  if (source.kind === "decoded") throw new Error("expected values in a file or in memory");
  if (source.kind === "file") return readFileSync(source.path).subarray(source.offset, source.offset + source.bytes);
  return new Uint8Array(source.data.buffer, source.data.byteOffset, source.data.byteLength);
}

test.each(Object.entries(quantizations))(
  "%s on disk is what quantising in memory gives, and all of it is mapped",
  async (_, quantization) => {
    const [directory, out] = [await plainModel({ tied: true }), folder()];
    const written = await quantizeDirectory(directory, out, quantization);
    const plain = await openModel(directory);
    const [stored, held] = [await openModel(out), await quantizeModel(plain, quantization)];
    expect(stored.quantization).toEqual(resolveQuantization(plain.config, quantization));
    expect(held.quantization).toEqual(stored.quantization);
    expect(stored.sha256).toBe(plain.sha256);
    expect(stored.parameterCount).toBe(plain.parameterCount);
    expect(Object.keys(stored.weights).sort()).toEqual(Object.keys(held.weights).sort());
    let bytes = 0;
    for (const [name, source] of Object.entries(stored.weights)) {
      expect(Buffer.compare(bytesOf(source), bytesOf(held.weights[name]!)), name).toBe(0);
      if (name.startsWith("rope.")) continue;
      expect(source.kind, name).toBe("file");
      bytes += bytesOf(source).length;
    }
    expect(written.bytes).toBe(bytes);
  },
);

test("opening with `quantize` reads bf16 weights straight into codes", async () => {
  const directory = await plainModel();
  const { config, weights } = randomLlama({ seed: 6 });
  const values = (name: string) => (weights[name] as { data: Float32Array }).data;
  const entries = [...parameterShapes(config)].map(([name, shape]) => ({
    name,
    dtype: "BF16" as const,
    shape,
    data: values(name),
  }));
  await writeSafetensors(join(directory, "model.safetensors"), entries);
  const widened = await openModel(directory);
  const [opened, expected] = [
    await openModel(directory, { quantize: quantizations.int4 }),
    await quantizeModel(widened, quantizations.int4),
  ];
  for (const [name, source] of Object.entries(expected.weights))
    expect(Buffer.compare(bytesOf(opened.weights[name]!), bytesOf(source)), name).toBe(0);
  expect(opened.sha256).toBe(widened.sha256);
});

test("a large model is written in several files, each small, and opens like one", async () => {
  const [directory, out, whole] = [await plainModel(), folder(), folder()];
  const sharded = await quantizeDirectory(directory, out, quantizations.int8, { shardBytes: 4000 });
  await quantizeDirectory(directory, whole, quantizations.int8);
  expect(sharded.files).toBeGreaterThan(3);
  expect(readdirSync(out).filter((name) => name.endsWith(".safetensors"))).toHaveLength(sharded.files);
  const [parts, one] = [await openModel(out), await openModel(whole)];
  for (const [name, source] of Object.entries(one.weights))
    expect(Buffer.compare(bytesOf(parts.weights[name]!), bytesOf(source)), name).toBe(0);
});

test("weights that are not those that were written are refused, both hashes named: damaged, another model's, a shard of another", async () => {
  const [directory, other] = [await plainModel(), await plainModel({ seed: 7 })];
  const single = "model.safetensors";
  const open = async (damage: (out: string, foreign: string) => void, options = {}) => {
    const [out, foreign] = [folder(), folder()];
    await quantizeDirectory(directory, out, quantizations.int4, options);
    await quantizeDirectory(other, foreign, quantizations.int4, options);
    const written = (await openModel(out)).sha256;
    expect(written).toBe((await openModel(directory)).sha256);
    damage(out, foreign);
    return openModel(out);
  };
  const mismatch = {
    code: "E_MISMATCH",
    message: expect.stringMatching(/sha256 [0-9a-f]{64}, but theirs is [0-9a-f]{64}/) as unknown,
  };
  const flip = (out: string) => {
    const bytes = readFileSync(join(out, single));
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(join(out, single), bytes);
  };
  await expect(open(flip)).rejects.toMatchObject(mismatch);
  const exchange = (out: string, foreign: string) => copyFileSync(join(foreign, single), join(out, single));
  await expect(open(exchange)).rejects.toMatchObject(mismatch);
  const exchangeShard = (out: string, foreign: string) => {
    const last = readdirSync(out)
      .filter((name) => name.endsWith(".safetensors"))
      .at(-1)!;
    copyFileSync(join(foreign, last), join(out, last));
  };
  await expect(open(exchangeShard, { shardBytes: 4000 })).rejects.toMatchObject(mismatch);
});

test("a directory of the format's version 1, without a hash of its weights, is refused with advice", async () => {
  const [directory, out] = [await plainModel(), folder()];
  await quantizeDirectory(directory, out, quantizations.int8);
  const path = join(out, "config.json");
  const json = JSON.parse(readFileSync(path, "utf8"));
  const { weights_sha256: _, ...before } = json.quantization_config;
  writeFileSync(path, JSON.stringify({ ...json, quantization_config: { ...before, version: 1 } }));
  await expect(openModel(out)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringContaining("again, with `loragen quantize`") as unknown,
  });
  writeFileSync(path, JSON.stringify({ ...json, quantization_config: before }));
  await expect(openModel(out)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringContaining("quantization_config.weights_sha256") as unknown,
  });
});

test("embeddings and head have blocks of their own: those in which a row takes the least room", async () => {
  const tables = (hidden: number) => smallestRows(randomLlama({ hidden, heads: 2, kvHeads: 2 }).config);
  // 24 → 36 of 68 and 132 bytes; 64 → 72, 68, 132; 96 → 108, 136, 132; 192 → 216, 204, 264; 256 → 288, 272, 264; 352 → 396, 408, 396
  expect([24, 64, 96, 192, 256, 352].map(tables)).toEqual([32, 64, 32, 64, 128, 128]);
  const [directory, out] = [await plainModel(wide), folder()];
  await quantizeDirectory(directory, out, quantizations.int4);
  const { weights, quantization } = await openModel(out);
  expect(quantization).toEqual({ bits: 4, symmetric: true, blockSize: 32, tableBlockSize: 64 });
  const { vocab } = randomLlama(wide).config;
  const bytes = (name: string) => bytesOf(weights[`${name}.weight.scales`]!).length;
  expect(bytes("model.embed_tokens")).toBe(vocab * 4);
  expect(bytes("lm_head")).toBe(vocab * 4);
  expect(bytes("model.layers.0.mlp.gate_proj")).toBe(48 * 2 * 4);
});

test("a directory of version 2, where embeddings and head have the blocks of the layers, opens as it is; no other version, and no other tables than were asked for", async () => {
  const [directory, out] = [await plainModel(wide), folder()];
  const asBefore = { ...quantizations.int8, tableBlockSize: 32 } as const;
  await quantizeDirectory(directory, out, asBefore);
  const path = join(out, "config.json");
  const json = JSON.parse(readFileSync(path, "utf8"));
  const { table_block_size: size, ...before } = json.quantization_config;
  expect([size, before.version]).toEqual([32, 3]);
  writeFileSync(path, JSON.stringify({ ...json, quantization_config: { ...before, version: 2 } }));
  const opened = await openModel(out, { quantize: quantizations.int8 });
  expect(opened.quantization).toEqual({ blockSize: 32, ...asBefore });
  const other = { ...quantizations.int8, tableBlockSize: 64 } as const;
  const refused = {
    code: "E_CONFIG",
    message: expect.stringContaining(
      "is quantised to int8 with embeddings and head in blocks of 32, asked for int8 with embeddings and head in blocks of 64",
    ) as unknown,
  };
  await expect(openModel(out, { quantize: other })).rejects.toMatchObject(refused);
  await expect(quantizeModel(opened, other)).rejects.toMatchObject(refused);
  const held = await quantizeModel(await openModel(directory), asBefore);
  for (const [name, source] of Object.entries(held.weights))
    expect(Buffer.compare(bytesOf(opened.weights[name]!), bytesOf(source)), name).toBe(0);
  for (const [found, text] of [
    [{ ...before, version: 3 }, "table_block_size"],
    [{ ...before, version: 2, table_block_size: 32 }, "table_block_size"],
    [{ ...before, version: 4, table_block_size: 32 }, "version"],
  ] as const) {
    writeFileSync(path, JSON.stringify({ ...json, quantization_config: found }));
    await expect(openModel(out)).rejects.toMatchObject({
      code: "E_FORMAT",
      message: expect.stringContaining(text) as unknown,
    });
  }
});

test("the tokenizer comes along", async () => {
  const [directory, out] = [await plainModel(), folder()];
  for (const name of ["tokenizer.json", "tokenizer_config.json", "added_tokens.json", "README.md"])
    writeFileSync(join(directory, name), "{}");
  await quantizeDirectory(directory, out, quantizations.int8);
  expect(readdirSync(out).sort()).toEqual([
    "added_tokens.json",
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
});

test("the record of a merge comes along: what is merged can still be taken out, and is not merged into again", async () => {
  const [directory, out] = [await plainModel(), folder()];
  const record = { base_sha256: "a".repeat(64), kind: "peft", adapter_sha256: "b".repeat(64), scale: 0.5 };
  const path = join(directory, "config.json");
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), lora_gen_merge: record }));
  await quantizeDirectory(directory, out, quantizations.int8);
  expect(await readMergeRecord(out)).toEqual(record);
  await expect(refuseMerged(await openModel(out))).rejects.toMatchObject({ code: "E_MISMATCH" });
});

test("an abort stops it before the next weight", async () => {
  const [directory, out] = [await plainModel(), folder()];
  const controller = new AbortController();
  let weights = 0;
  const onProgress = () => {
    if (++weights === 2) controller.abort();
  };
  const { signal } = controller;
  const stopped = { code: "E_INTERRUPTED" };
  await expect(quantizeDirectory(directory, out, quantizations.int8, { onProgress, signal })).rejects.toMatchObject(
    stopped,
  );
  await expect(quantizeDirectory(directory, out, quantizations.int8, { onProgress, signal })).rejects.toMatchObject(
    stopped,
  );
  expect(weights).toBe(2);
  expect(readdirSync(out)).toEqual([]);
});

test("a quantised directory is not quantised again, and not opened in other bits", async () => {
  const [directory, out] = [await plainModel(), folder()];
  await quantizeDirectory(directory, out, quantizations.int8);
  await expect(quantizeDirectory(out, folder(), quantizations.int4)).rejects.toMatchObject({ code: "E_CONFIG" });
  await expect(openModel(out, { quantize: quantizations.int4 })).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringContaining("is quantised to int8, asked for int4") as unknown,
  });
  expect((await openModel(out, { quantize: quantizations.int8 })).quantization).toEqual(
    resolveQuantization(randomLlama().config, quantizations.int8),
  );
});

test("larger blocks are written, told and opened; asked for in another size they are refused", async () => {
  const [directory, out] = [await plainModel(), folder()];
  const inBlocks = quantizations["int4-64"];
  await quantizeDirectory(directory, out, inBlocks);
  const opened = await openModel(out, { quantize: quantizations.int4 });
  expect(opened.quantization).toEqual(resolveQuantization(opened.config, inBlocks));
  const expected = await quantizeModel(await openModel(directory), inBlocks);
  for (const [name, source] of Object.entries(expected.weights))
    expect(Buffer.compare(bytesOf(opened.weights[name]!), bytesOf(source)), name).toBe(0);
  await expect(openModel(out, { quantize: quantizations["int4-128"] })).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringContaining("is quantised to int4-64, asked for int4-128") as unknown,
  });
});

test.each([
  ["another tool's quantisation", { quant_method: "gptq", bits: 4 }, "E_DTYPE", '"gptq"'],
  ["bits we do not have", { bits: 3 }, "E_FORMAT", "quantization_config.bits"],
  ["a block size we do not have", { block_size: 48 }, "E_FORMAT", "quantization_config.block_size"],
  ["an unknown key", { group: 1 }, "E_FORMAT", "group"],
  ["zero points that are not there", { symmetric: false }, "E_FORMAT", "zeros"],
  ["other bits than the codes have", { bits: 4 }, "E_SHAPE", "packed"],
] as const)("%s is refused by name", async (_, changes, code, text) => {
  const [directory, out] = [await plainModel(), folder()];
  await quantizeDirectory(directory, out, quantizations.int8);
  const path = join(out, "config.json");
  const json = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...json, quantization_config: { ...json.quantization_config, ...changes } }));
  await expect(openModel(out)).rejects.toMatchObject({ code, message: expect.stringContaining(text) as unknown });
});
