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
import { peftFiles } from "./peft-config.ts";
import { readPeft, writePeft } from "./peft-format.ts";

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

const map = (layer: number, name: string) => `base_model.model.model.layers.${layer}.${name}`;

/** Adds tensors of ones to what was written. */
async function addTensors(added: Readonly<Record<string, readonly number[]>>): Promise<void> {
  const file = await openSafetensors(weightsPath);
  const tensors: TensorToWrite[] = [];
  for (const { name, shape } of file.tensors.values())
    tensors.push({ name, dtype: "F32", shape, data: await readTensor(file, name) });
  for (const [name, shape] of Object.entries(added))
    tensors.push({ name, dtype: "F32", shape, data: new Float32Array(shape.reduce((x, y) => x * y, 1)).fill(1) });
  await writeSafetensors(weightsPath, tensors);
}

test.each<[string, Record<string, unknown>]>([
  ["target_modules", { target_modules: ["up_proj"] }],
  ["target_modules as an expression", { target_modules: ".*\\.up_proj" }],
  ["layers_to_transform", { layers_to_transform: [0] }],
  ["exclude_modules", { exclude_modules: ["layers.1.self_attn.q_proj"] }],
  ["exclude_modules as an expression", { exclude_modules: ".*\\.1\\..*q_proj" }],
])("tensors that PEFT would drop by %s are refused, naming their modules", async (_, changes) => {
  await write(randomAdapter(config, { targets: ["up", "q"] }), changes);
  await expect(readPeft(folder, shapes)).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: expect.stringMatching(/layers.1.self_attn.q_proj: has tensors, but .* PEFT would drop them/) as unknown,
  });
});

test("modules that the configuration names and the file lacks are refused, not left out", async () => {
  await write(randomAdapter(config, { targets: ["up"] }), { target_modules: ".*(up|down)_proj" });
  await expect(readPeft(folder, shapes)).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: expect.stringMatching(/layers.0.mlp.down_proj: named as a target, but no tensor belongs to it/) as unknown,
  });
});

test.each<[string, Readonly<Record<string, readonly number[]>>, RegExp]>([
  ["a norm", { [map(0, "input_layernorm.weight")]: [32] }, /saved whole, but modules_to_save does not name it/],
  ["a bias", { [map(0, "mlp.up_proj.bias")]: [48] }, /the base model has no model.layers.0.mlp.up_proj.bias/],
  ["a magnitude", { [map(0, "mlp.up_proj.lora_magnitude_vector")]: [48] }, /but use_dora is not set: PEFT would drop/],
  ["a bias of B", { [map(0, "mlp.up_proj.lora_B.bias")]: [48] }, /but lora_bias is not set: PEFT would drop it/],
  [
    "trained tokens",
    { "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta": [2, 32] },
    /does not name/,
  ],
  [
    "an adapter's name",
    { [map(0, "mlp.down_proj.lora_A.default.weight")]: [4, 48] },
    /no part of a LoRA that PEFT would/,
  ],
  ["no prefix", { "model.layers.0.mlp.down_proj.lora_A.weight": [4, 48] }, /does not begin with "base_model.model."/],
  ["a longer head", { "base_model.model.lm_head.weight": [60, 32] }, /resize_token_embeddings\(60\)/],
  ["parts of an embedding on a map", { [map(0, "mlp.up_proj.lora_embedding_A")]: [4, 48] }, /the second A of/],
])("a tensor that is %s is refused beside a plain LoRA", async (_, added, message) => {
  await write(randomAdapter(config, { targets: ["up"] }));
  await addTensors(added);
  await expect(readPeft(folder, shapes)).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: expect.stringMatching(message) as unknown,
  });
});

test("a key of alpha_pattern is an expression, in which the second point of `layers.1..self_attn.q_proj` is any character", async () => {
  const deep = randomLlama({ layers: 12 }).config;
  const adapter = randomAdapter(deep, { rank: 4, targets: ["q"] });
  await write(adapter, { alpha_pattern: { "layers.1..self_attn.q_proj": 12 } });
  const read = await readPeft(folder, shapesOf(deep));
  const factor = (layer: number) => {
    const name = `model.layers.${layer}.self_attn.q_proj.weight`;
    return product(read.get(name)!)[0]! / product(adapter.get(name)!)[0]!;
  };
  expect([1, 9, 10, 11].map((layer) => Math.round(factor(layer)))).toEqual([1, 1, 3, 3]);
});

test("expressions that take exponential time elsewhere are read at once", async () => {
  await write(undefined, { rank_pattern: { "(a+)+$": 2, "(.*)*(.*)*(.*)*x": 3 }, exclude_modules: "(m|mo|model|.)*!" });
  const from = process.cpuUsage();
  expect((await readPeft(folder, shapes)).size).toBeGreaterThan(0);
  expect(process.cpuUsage(from).user / 1e6).toBeLessThan(5);
});

test.each<[string, Record<string, unknown>, string, RegExp]>([
  [
    "a lookahead",
    { target_modules: "(?!.*vision).*_proj" },
    "E_CONFIG",
    /target_modules: the expression .* a lookaround/,
  ],
  ["a back-reference", { rank_pattern: { "(.)\\1": 2 } }, "E_CONFIG", /rank_pattern: the expression .* back-reference/],
  [
    "an expression that is none",
    { exclude_modules: "(" },
    "E_CONFIG",
    /exclude_modules: .* a group that is not closed/,
  ],
  ["repeats beyond memory", { target_modules: "((a{1000}){1000}){1000}" }, "E_LIMIT", /expressions are too large/],
  ["a key of a later PEFT", { use_vera: true }, "E_CONFIG", /"use_vera" is not supported: PEFT 0.21 has no such key/],
  ["activated LoRA", { alora_invocation_tokens: [1] }, "E_CONFIG", /"alora_invocation_tokens" is not supported/],
  ["parameters that are no modules", { target_parameters: ["w"] }, "E_CONFIG", /merge_and_unload/],
  ["no targets", { target_modules: null }, "E_CONFIG", /without target_modules/],
  [
    "layers beside an expression",
    { target_modules: ".*up_proj", layers_to_transform: 1 },
    "E_CONFIG",
    /say it in the expr/,
  ],
  ["a pattern of layers alone", { layers_pattern: "layers" }, "E_CONFIG", /without layers_to_transform/],
  ["DoRA without magnitudes", { use_dora: true }, "E_MISMATCH", /use_dora is set, but it has no lora_magnitude_vector/],
  ["another bias", { bias: "some" }, "E_FORMAT", /bias: /],
  ["whole modules that are not there", { modules_to_save: ["lm_head"] }, "E_MISMATCH", /says that it is saved, but/],
  ["whole modules of no name", { modules_to_save: ["classifier"] }, "E_MISMATCH", /has no such module/],
  ["a whole module that is an expression", { modules_to_save: ["lm_.*"] }, "E_CONFIG", /expected the name of a module/],
  ["a start that changes the base", { init_lora_weights: "pissa_niter_4" }, "E_CONFIG", /pissa_niter_4/],
  ["a factor beyond fp32", { lora_alpha: 1e300 }, "E_NAN", /times its factor/],
  ["another method", { peft_type: "LOHA" }, "E_FORMAT", /peft_type/],
  ["no rank", { r: 0 }, "E_FORMAT", /r: /],
  ["another rank than the tensors'", { r: 7 }, "E_MISMATCH", /lora_A should be \[7,32\]/],
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
