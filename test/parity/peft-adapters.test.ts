/** @file IA³ and DoRA beside PEFT 0.21: merged, and as they stand beside the weights in training. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createCachedModel } from "../../src/decode/cached-model.ts";
import { doraPool } from "../../src/dispatch/dora-pool.ts";
import { ia3Pool } from "../../src/dispatch/ia3-pool.ts";
import { type SkillPool, whole } from "../../src/dispatch/skill-pool.ts";
import { openSafetensors, readTensor } from "../../src/files/safetensors.ts";
import { weight } from "../../src/graph/build.ts";
import { type Ia3Factors, readIa3Change, readIa3Factors, writeIa3 } from "../../src/lora/ia3-format.ts";
import { readDora, readPeftChange } from "../../src/lora/peft-change.ts";
import type { FrozenModel } from "../../src/models/frozen-model.ts";
import { openModel } from "../../src/models/model-file.ts";
import { applyPeftChange, peftBaseOf } from "../../src/models/peft-base.ts";
import { denseParts, frozenWeights, type Parts, wrapLinear } from "../../src/nn/parts.ts";
import type { WeightSource } from "../../src/runtime/session.ts";
import type { Adaptation } from "../../src/train/adapted-step.ts";
import { doraAdaptation, doraSources, rowSquares } from "../../src/train/dora-step.ts";
import { ia3Adaptation } from "../../src/train/ia3-step.ts";
import { fullLogits } from "../support/random-llama.ts";

const fixtures = resolve(import.meta.dirname, "../fixtures");
const folder = mkdtempSync(join(tmpdir(), "peft-adapters-"));
afterAll(() => rmSync(folder, { recursive: true }));
const ia3Expected = await openSafetensors(join(fixtures, "peft-ia3/expected.safetensors"));
const loraExpected = await openSafetensors(join(fixtures, "peft-kinds/expected.safetensors"));
const ids = [...(await readTensor(ia3Expected, "ids"))];

const openBase = (name: string) => openModel(join(fixtures, `peft-kinds/base-${name}`));
async function logitsOf({ config, weights }: FrozenModel, parts?: Parts): Promise<number[]> {
  return (await fullLogits({ config, weights: { ...weights } }, ids, parts)).flatMap((row) => [...row]);
}
const gap = (found: readonly number[], wanted: ArrayLike<number>): number =>
  found.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0);

/** The logits of a model with what is trained beside it, at given values. */
async function adapted(
  model: FrozenModel,
  { parameters, adapt }: Adaptation,
  values: ReadonlyMap<string, Float32Array>,
  frozen: Readonly<Record<string, WeightSource>> = {},
): Promise<number[]> {
  const nodes = Object.fromEntries([...parameters].map(([name, { shape }]) => [name, weight(`p/${name}`, shape)]));
  const trained = [...values].map(([name, data]) => [`p/${name}`, { kind: "data", data }] as const);
  const weights = { ...model.weights, ...frozen, ...Object.fromEntries(trained) };
  return logitsOf({ ...model, weights }, wrapLinear(denseParts(frozenWeights()), adapt(nodes)));
}

/** The tensors of an adapter, by the names that training gives them. */
async function trainedValues(path: string): Promise<Map<string, Float32Array>> {
  const file = await openSafetensors(join(path, "adapter_model.safetensors"));
  const values = new Map<string, Float32Array>();
  for (const name of file.tensors.keys())
    values.set(
      name.replace("base_model.model.", "").replace(/(lora_[AB])\.weight$/, "$1"),
      await readTensor(file, name),
    );
  return values;
}

test.each([
  ["llama", "llama"],
  ["all-maps", "llama"],
  ["qwen2", "qwen2"],
])("IA³ of %s, merged, gives PEFT's logits within 1e-4", async (kind, name) => {
  const base = await openBase(name);
  const change = await readPeftChange(join(fixtures, "peft-ia3", kind), peftBaseOf(base));
  const wanted = await readTensor(ia3Expected, `logits.${kind}`);
  expect(gap(await logitsOf(await applyPeftChange(base, change)), wanted)).toBeLessThan(1e-4);
  expect(gap(await logitsOf(base), wanted)).toBeGreaterThan(0.5);
});

/** The logits of a model with the only skill of a pool beside its weights. */
async function skilled(base: FrozenModel, pool: SkillPool): Promise<number[]> {
  await using model = await createCachedModel(base, { threads: 1, change: whole(pool, "one") });
  return [...(await model.feedAll(ids.map(Number)))];
}

test("IA³ as a skill of a pool, beside weights with biases, gives PEFT's logits within 1e-4; so does DoRA", async () => {
  const qwen = await openBase("qwen2");
  const ia3 = await readIa3Factors(join(fixtures, "peft-ia3/qwen2"), peftBaseOf(qwen));
  const ofIa3 = ia3Pool(qwen.config.layers, [{ name: "one", skill: ia3 }], undefined, { baseName: "base" });
  expect(gap(await skilled(qwen, ofIa3), await readTensor(ia3Expected, "logits.qwen2"))).toBeLessThan(1e-4);
  const llama = await openBase("llama");
  const { valuesOf, ...base } = peftBaseOf(llama);
  const dora = await readDora(join(fixtures, "peft-kinds/dora"), { ...base, valuesOf });
  const skills = [{ name: "one", skill: dora }];
  const ofDora = doraPool(llama.config.layers, skills, undefined, { baseName: "base", valuesOf });
  expect(gap(await skilled(llama, ofDora), await readTensor(loraExpected, "logits.dora"))).toBeLessThan(1e-4);
});

test("a DoRA that is more than that of linear maps with weights of their own is no skill", async () => {
  const base = await openBase("llama");
  const refused = readDora(join(fixtures, "peft-kinds/head-dora"), peftBaseOf(base));
  await expect(refused).rejects.toMatchObject({ code: "E_MISMATCH" });
});

test("IA³ and DoRA in training are what PEFT makes of them within 1e-4", async () => {
  const base = await openBase("llama");
  const ia3 = ia3Adaptation({ edge: base.config, targets: ["k", "v", "down"] });
  const factors = await trainedValues(join(fixtures, "peft-ia3/llama"));
  expect(gap(await adapted(base, ia3, factors), await readTensor(ia3Expected, "logits.llama"))).toBeLessThan(1e-4);
  const shape = { edge: base.config, rank: 2, alpha: 3, targets: ["q", "v", "down"] } as const;
  const values = await trainedValues(join(fixtures, "peft-kinds/dora"));
  const frozen = doraSources(await rowSquares(shape, base));
  const found = await adapted(base, doraAdaptation(shape), values, frozen);
  expect(gap(found, await readTensor(loraExpected, "logits.dora"))).toBeLessThan(1e-4);
});

test("what is written is what is read; tensors that fit no map are refused, each by name", async () => {
  const base = await openBase("llama");
  const name = "model.layers.0.self_attn.k_proj.weight";
  const values = Float32Array.from({ length: 8 }, (_, i) => i / 4);
  await writeIa3(folder, new Map<string, Ia3Factors>([[name, { side: "outputs", values }]]), { baseName: "base" });
  const { whole, adapter } = await readIa3Change(folder, peftBaseOf(base));
  expect([[...whole.keys()], adapter.size]).toEqual([[name], 0]);
  expect(
    whole
      .get(name)!
      .slice(0, 16)
      .every((value) => value === 0),
  ).toBe(true); // of factor 0
  const short = new Map<string, Ia3Factors>([
    [name, { side: "outputs", values: values.slice(1) }],
    ["model.layers.9.mlp.up_proj.weight", { side: "inputs", values }],
  ]);
  await writeIa3(folder, short, { baseName: "base" });
  const refused = await readPeftChange(folder, peftBaseOf(base)).catch((error: Error) => error);
  expect(refused).toMatchObject({ code: "E_MISMATCH" });
  expect((refused as Error).message).toMatch(/found \[7,1\][\s\S]*no linear map model\.layers\.9\.mlp\.up_proj/);
});
