/** @file GGUF adapters: what is written reads back, and what does not fit is refused with all reasons. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { placesOf, randomAdapter, shapesOf } from "../../test/support/random-adapter.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { openGguf, readGgufTensor } from "../files/gguf/read.ts";
import { writeGguf } from "../files/gguf/write.ts";
import { readGgufAdapter, writeGgufAdapter } from "./gguf-format.ts";
import { padRank } from "./low-rank.ts";

const folder = mkdtempSync(join(tmpdir(), "gguf-adapter-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "adapter.gguf");
const { config } = randomLlama();
const shapes = shapesOf(config);
const options = { architecture: "llama", places: placesOf(config) };

test("an adapter reads back as it was, padded to one rank; q and k are stored with their rows in pairs", async () => {
  const adapter = randomAdapter(config, { rank: 4 });
  await writeGgufAdapter(path, adapter, options);
  const read = await readGgufAdapter(path, shapes, options);
  for (const [name, change] of adapter) expect(read.get(name), name).toEqual(padRank(change, 4));
  const file = await openGguf(path);
  const value = (key: string) => file.metadata.get(key)?.value;
  expect(["general.type", "adapter.type", "general.architecture", "adapter.lora.alpha"].map(value)).toEqual([
    "adapter",
    "lora",
    "llama",
    4,
  ]);
  expect(file.tensors.get("blk.0.ffn_gate.weight.lora_a")?.shape).toEqual([4, 32]);
  expect(file.tensors.get("blk.0.ffn_gate.weight.lora_b")?.shape).toEqual([48, 4]);
  const { b } = adapter.get("model.layers.0.self_attn.q_proj.weight")!;
  const stored = await readGgufTensor(file, "blk.0.attn_q.weight.lora_b");
  // Head 0 has 8 rows: the second stored one is row 4.
  expect([...stored.subarray(4, 8)]).toEqual([0, 1, 2, 3].map((k) => b[k * 32 + 4]));
});

test("everything that does not fit is listed in one error", async () => {
  const zeros = (shape: readonly number[]) => () => new Float32Array(shape.reduce((x, y) => x * y, 1));
  const tensor = (name: string, shape: readonly number[]) => ({
    name,
    type: "F32" as const,
    shape,
    data: zeros(shape),
  });
  const { metadata } = await openGguf(path);
  await writeGguf(path, new Map(metadata).set("general.architecture", { type: "string", value: "qwen2" }), [
    tensor("blk.0.ffn_up.weight.lora_a", [4, 31]),
    tensor("blk.0.ffn_up.weight.lora_b", [48, 3]),
    tensor("blk.1.ffn_up.weight.lora_a", [4, 32]),
    tensor("blk.9.ffn_up.weight.lora_a", [4, 32]),
    tensor("output_norm.weight.lora_b", [4, 32]),
  ]);
  const error = (await readGgufAdapter(path, shapes, options).catch((thrown: unknown) => thrown)) as Error;
  expect(error).toMatchObject({ code: "E_MISMATCH" });
  const lines = error.message.split("\n");
  expect(lines[0]).toContain("6 mismatches");
  for (const line of [
    "made for qwen2, the base model is llama",
    "blk.0.ffn_up.weight.lora_a: should be [4,32], found [4,31]",
    "blk.0.ffn_up.weight.lora_b: should be [48,4], found [48,3]",
    "blk.1.ffn_up.weight: has lora_a but no lora_b",
    "blk.9.ffn_up.weight.lora_a: the base model has no such tensor",
    "output_norm.weight: is no linear map",
  ])
    expect(lines.map((found) => found.trim())).toContain(line);
});

test.each([
  ["an alpha that is NaN", NaN, 1, "E_FORMAT"],
  ["an infinite alpha", Infinity, 1, "E_FORMAT"],
  ["a value that is NaN", 4, NaN, "E_NAN"],
  ["an alpha beyond fp32", 3e38, 1e30, "E_NAN"],
] as const)("%s is refused", async (_, alpha, value, code) => {
  await writeGgufAdapter(path, randomAdapter(config, { targets: ["up"] }), options);
  const { metadata } = await openGguf(path);
  const data = (length: number) => () => new Float32Array(length).fill(value);
  await writeGguf(path, new Map(metadata).set("adapter.lora.alpha", { type: "f32", value: alpha }), [
    { name: "blk.0.ffn_up.weight.lora_a", type: "F32", shape: [1, 32], data: () => new Float32Array(32) },
    { name: "blk.0.ffn_up.weight.lora_b", type: "F32", shape: [48, 1], data: data(48) },
  ]);
  await expect(readGgufAdapter(path, shapes, options)).rejects.toMatchObject({ code });
});

test("a model is no adapter", async () => {
  await writeGguf(path, new Map([["general.type", { type: "string", value: "model" }]]), []);
  await expect(readGgufAdapter(path, shapes, options)).rejects.toMatchObject({ code: "E_FORMAT" });
});
