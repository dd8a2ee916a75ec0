import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from "../base/half.ts";
import { openSafetensors, readTensor } from "../files/safetensors.ts";
import { writeSafetensors } from "../files/safetensors-write.ts";
import { readWeight } from "../runtime/read-weight.ts";
import type { ModelConfig } from "./config.ts";
import { openModel, saveModel } from "./model-file.ts";
import { parameterShapes } from "./parameters.ts";

const folders: string[] = [];
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true });
});

function model(changes: Partial<ModelConfig> = {}) {
  const { config, weights } = randomLlama({ layers: 1, ...changes });
  const values = (name: string) => (weights[name] as { data: Float32Array }).data;
  const tensors = new Map([...parameterShapes(config).keys()].map((name) => [name, values(name)]));
  const directory = mkdtempSync(join(tmpdir(), "model-"));
  folders.push(directory);
  return { config, tensors, directory };
}

test("a saved model opens with the same shape and values, fp32 weights mapped from the file", async () => {
  const { config, tensors, directory } = model();
  await saveModel(directory, config, tensors);
  const opened = await openModel(directory);
  expect(opened.config).toEqual(config);
  expect(opened.parameterCount).toBe([...tensors.values()].reduce((sum, { length }) => sum + length, 0));
  for (const [name, values] of tensors) {
    expect(opened.weights[name]!.kind).toBe("file");
    expect(await readWeight(opened.weights[name]!)).toEqual(values);
  }
});

const narrow = {
  F16: (values: Float32Array) => float16ToFloat32(float32ToFloat16(values)),
  BF16: (values: Float32Array) => bfloat16ToFloat32(float32ToBfloat16(values)),
};

test.each(["F16", "BF16"] as const)(
  "values saved as %s are rounded to it, and stay in the file, too",
  async (dtype) => {
    const { config, tensors, directory } = model({ tied: true });
    await saveModel(directory, config, tensors);
    const entries = [...parameterShapes(config)].map(([name, shape]) => ({
      name,
      dtype,
      shape,
      data: tensors.get(name)!,
    }));
    await writeSafetensors(join(directory, "model.safetensors"), entries);
    const { weights } = await openModel(directory);
    for (const [name, values] of tensors) {
      expect(weights[name]!.kind).toBe("file");
      expect(await readWeight(weights[name]!)).toEqual(narrow[dtype](values));
    }
  },
);

test("the hash tells other weights from the same ones", async () => {
  const [first, again, other] = await Promise.all(
    [1, 1, 2].map(async (seed) => {
      const { config, tensors, directory } = model({ seed } as Partial<ModelConfig>);
      await saveModel(directory, config, tensors);
      return (await openModel(directory)).sha256;
    }),
  );
  expect(again).toBe(first);
  expect(other).not.toBe(first);
});

type Entry = { name: string; dtype: "F32" | "I32"; shape: readonly number[]; data: Float32Array | Int32Array };
const norm = "model.norm.weight";

test.each([
  ["is missing", (entries: Entry[]) => entries.filter(({ name }) => name !== norm), "E_FORMAT"],
  [
    "has another shape",
    (entries: Entry[]) => entries.map((entry) => (entry.name === norm ? { ...entry, shape: [4, 8] } : entry)),
    "E_SHAPE",
  ],
  [
    "has whole numbers",
    (entries: Entry[]) =>
      entries.map((entry) =>
        entry.name === norm ? { ...entry, dtype: "I32" as const, data: new Int32Array(32) } : entry,
      ),
    "E_DTYPE",
  ],
] as const)("a tensor that %s is told by name", async (_, change, code) => {
  const { config, tensors, directory } = model();
  await saveModel(directory, config, tensors);
  const path = join(directory, "model.safetensors");
  const file = await openSafetensors(path);
  const entries: Entry[] = [];
  for (const { name, shape } of file.tensors.values())
    entries.push({ name, dtype: "F32", shape, data: await readTensor(file, name) });
  await writeSafetensors(path, change(entries));
  await expect(openModel(directory)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(`"${norm}"`) as unknown,
  });
});
