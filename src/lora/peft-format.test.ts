/** @file PEFT adapters: what is written reads back, and what does not fit is refused with all reasons. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { distance } from "../../test/support/numeric.ts";
import { randomAdapter, shapesOf } from "../../test/support/random-adapter.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { openSafetensors, readTensor } from "../files/safetensors.ts";
import { type TensorToWrite, writeSafetensors } from "../files/safetensors-write.ts";
import type { Adapter, LowRank } from "./low-rank.ts";
import { peftFiles, readPeft, writePeft } from "./peft-format.ts";

const folder = mkdtempSync(join(tmpdir(), "peft-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { config } = randomLlama();
const shapes = shapesOf(config);
const configPath = join(folder, peftFiles.config);
const weightsPath = join(folder, peftFiles.weights);

/** B·A, (out, in) */
function product({ rank, inputs, outputs, a, b }: LowRank): Float32Array {
  const out = new Float32Array(outputs * inputs);
  for (let k = 0; k < rank; k++)
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < inputs; i++) out[o * inputs + i]! += b[k * outputs + o]! * a[k * inputs + i]!;
  return out;
}

async function write(adapter: Adapter = randomAdapter(config), changes: Record<string, unknown> = {}): Promise<void> {
  await writePeft(folder, adapter, { baseName: "base" });
  writeFileSync(configPath, JSON.stringify({ ...JSON.parse(readFileSync(configPath, "utf8")), ...changes }));
}

test("an adapter with parts of several ranks reads back with the same changes", async () => {
  const adapter = randomAdapter(config);
  await write(adapter);
  const read = await readPeft(folder, shapes);
  expect([...read.keys()].sort()).toEqual([...adapter.keys()].sort());
  for (const [name, change] of adapter) expect(distance(product(read.get(name)!), product(change))).toBeLessThan(1e-6);
});

test("the configuration is complete, and names and shapes are PEFT's", async () => {
  await write(randomAdapter(config, { rank: 4, targets: ["gate", "up", "down"] }));
  expect(JSON.parse(readFileSync(configPath, "utf8"))).toMatchObject({
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: "base",
    r: 4,
    lora_alpha: 4,
    target_modules: ["gate_proj", "up_proj", "down_proj"],
    bias: "none",
    use_rslora: false,
  });
  const { tensors } = await openSafetensors(weightsPath);
  const at = "base_model.model.model.layers.1.mlp.down_proj";
  expect(tensors.get(`${at}.lora_A.weight`)?.shape).toEqual([4, config.ffn]);
  expect(tensors.get(`${at}.lora_B.weight`)?.shape).toEqual([config.hidden, 4]);
  expect(tensors.size).toBe(2 * 3 * config.layers);
});

test("scales follow alpha, rank, their patterns and rslora", async () => {
  const adapter = randomAdapter(config, { rank: 4, targets: ["up"] });
  const name = "model.layers.0.mlp.up_proj.weight";
  const scaleOf = async (changes: Record<string, unknown>) => {
    await write(adapter, changes);
    return product((await readPeft(folder, shapes)).get(name)!)[0]! / product(adapter.get(name)!)[0]!;
  };
  expect(await scaleOf({ lora_alpha: 8 })).toBeCloseTo(2, 5);
  expect(await scaleOf({ lora_alpha: 8, use_rslora: true })).toBeCloseTo(4, 5);
  expect(await scaleOf({ alpha_pattern: { up_proj: 12 } })).toBeCloseTo(3, 5);
  expect(await scaleOf({ alpha_pattern: { "^model.layers.0.mlp.up_proj": 6, up_proj: 12 } })).toBeCloseTo(1.5, 5);
  expect(await scaleOf({ alpha_pattern: { "layers.1.mlp.up_proj": 12 } })).toBeCloseTo(1, 5);
});

test("every module and shape that does not fit is listed in one error", async () => {
  await write(randomAdapter(config, { targets: ["gate", "up"] }));
  const file = await openSafetensors(weightsPath);
  const tensors: TensorToWrite[] = [];
  const at = "base_model.model.model.layers";
  for (const { name, shape } of file.tensors.values()) {
    const data = await readTensor(file, name);
    if (name === `${at}.0.mlp.up_proj.lora_B.weight`) continue;
    const isCut = name === `${at}.1.mlp.up_proj.lora_A.weight`;
    tensors.push({
      name,
      dtype: "F32",
      shape: isCut ? [shape[0]!, 8] : shape,
      data: isCut ? data.slice(0, 8 * shape[0]!) : data,
    });
  }
  const extra = (name: string): TensorToWrite => ({ name, dtype: "F32", shape: [1], data: new Float32Array(1) });
  tensors.push(extra(`${at}.7.mlp.up_proj.lora_A.weight`), extra("base_model.model.lm_head.modules"));
  await writeSafetensors(weightsPath, tensors);
  const json = JSON.parse(readFileSync(configPath, "utf8"));
  writeFileSync(configPath, JSON.stringify({ ...json, target_modules: [...json.target_modules, "qkv_proj"] }));
  const error = await readPeft(folder, shapes).catch((thrown: unknown) => thrown as Error & { code: string });
  expect(error).toMatchObject({ code: "E_MISMATCH" });
  const lines = (error as Error).message.split("\n");
  expect(lines[0]).toMatch(/does not fit the base model, 5 mismatches:/);
  for (const line of [
    /layers.0.mlp.up_proj: has lora_A but no lora_B/,
    /layers.1.mlp.up_proj: lora_A should be \[4,32\], found \[4,8\]/,
    /layers.7.mlp.up_proj: the base model has no such module/,
    /lm_head.modules: no part of a LoRA/,
    /qkv_proj: named as a target, but no tensor belongs to it/,
  ])
    expect(
      lines.filter((found) => line.test(found)),
      String(line),
    ).toHaveLength(1);
});

test.each<[string, Record<string, unknown>, string, RegExp]>([
  ["DoRA", { use_dora: true }, "E_CONFIG", /use_dora is not supported/],
  ["biases", { bias: "all" }, "E_CONFIG", /bias "all"/],
  ["whole modules", { modules_to_save: ["lm_head"] }, "E_CONFIG", /modules_to_save/],
  ["a start that changes the base", { init_lora_weights: "pissa_niter_4" }, "E_CONFIG", /pissa_niter_4/],
  ["a pattern that is an expression", { rank_pattern: { "(a+)+$": 2 } }, "E_CONFIG", /expected the name of a module/],
  ["another method", { peft_type: "LOHA" }, "E_FORMAT", /peft_type/],
  ["no rank", { r: 0 }, "E_FORMAT", /r: /],
  ["another rank than the tensors'", { r: 7, target_modules: null }, "E_MISMATCH", /lora_A should be \[7,32\]/],
])("%s is refused", async (_, changes, code, message) => {
  await write(undefined, changes);
  await expect(readPeft(folder, shapes)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message) as unknown,
  });
});

test("an adapter without any rank is not written", async () => {
  const empty = { rank: 0, inputs: 32, outputs: 48, a: new Float32Array(0), b: new Float32Array(0) };
  const write = writePeft(folder, new Map([["model.layers.0.mlp.up_proj.weight", empty]]), { baseName: "base" });
  await expect(write).rejects.toMatchObject({ code: "E_MISMATCH" });
});
