/** @file 2,000 damaged model folders of each type of weights: each opens with weights that are all there, or is refused; none makes the reader allocate more than it holds. */
import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageModelFolder, fuzz } from "../../test/support/fuzz.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import type { ModelConfig } from "./config.ts";
import type { Model } from "./model.ts";
import { openModel, saveModel } from "./model-file.ts";
import { parameterShapes } from "./parameters.ts";
import { ropeLimit, ropeWeights } from "./rope.ts";

async function writeModel(dtype: "F32" | "F16", changes: Partial<ModelConfig> = {}): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "fuzz-"));
  const { config, weights } = randomLlama({ hidden: 8, ffn: 12, headDim: 2, vocab: 20, ...changes });
  const tensors = new Map(
    [...parameterShapes(config).keys()].map((name) => [name, (weights[name] as { data: Float32Array }).data]),
  );
  await saveModel(dir, config, tensors, { dtype });
  return dir;
}

/** Every weight has the values its shape needs, inside the file or in memory. The rotary tables are not made. */
function expectSound({ directory, config, weights, parameterCount }: Model): void {
  const shapes = parameterShapes(config);
  expect(Object.keys(weights).sort()).toEqual([...shapes.keys(), ...Object.keys(ropeWeights(config))].sort());
  let count = 0;
  for (const [name, shape] of shapes) {
    const size = shape.reduce((a, b) => a * b, 1);
    const source = weights[name]!;
    if (source.kind === "data") expect(source.data).toHaveLength(size);
    else {
      if (source.kind === "decoded") throw new Error(`${name} is not mapped`);
      expect(source.bytes).toBe((source.storedAs === undefined ? 4 : 2) * size);
      expect(source.offset + source.bytes).toBeLessThanOrEqual(statSync(source.path).size);
    }
    count += size;
  }
  expect(count).toBe(parameterCount);
  expect(4 * parameterCount).toBeLessThanOrEqual(2 * statSync(join(directory, "model.safetensors")).size);
}

for (const [dtype, modelType] of [
  ["F32", "llama"],
  ["F16", "llama"],
  ["F32", "phi3"], // tensors of several maps
] as const) {
  test(`2,000 mutated folders of ${dtype} weights of a ${modelType} open soundly or are refused`, async () => {
    const dir = await writeModel(dtype, { modelType });
    const { outcomes } = await fuzz({
      seed: `model folder ${dtype} ${modelType}`,
      damage: damageModelFolder(dir),
      read: async () => expectSound(await openModel(dir)),
    });
    expect(outcomes["read"]).toBeGreaterThan(40);
    for (const code of ["E_FORMAT", "E_SHAPE", "E_LIMIT"]) expect(outcomes[code], code).toBeGreaterThan(0);
  });
}

test("huge claims beside small weights are refused before anything of that size is made", async () => {
  const each = {
    hidden_size: 2 ** 20,
    intermediate_size: 2 ** 20,
    num_hidden_layers: 1024,
    num_attention_heads: 1024,
    head_dim: 2 ** 20,
    vocab_size: 2 ** 24,
  };
  const all = { ...each, num_key_value_heads: 1024, max_position_embeddings: 2 ** 24 };
  const claims = [...Object.entries(each).map(([key, value]) => ({ head_dim: 2, [key]: value })), all];
  const dir = await writeModel("F32");
  const path = join(dir, "config.json");
  const sound = JSON.parse(readFileSync(path, "utf8"));
  const weightBytes = statSync(join(dir, "model.safetensors")).size;
  const { outcomes } = await fuzz({
    seed: "huge claims",
    count: claims.length,
    damage() {
      writeFileSync(path, JSON.stringify({ ...sound, ...claims.shift() }));
      return weightBytes + statSync(path).size;
    },
    read: async () => expectSound(await openModel(dir)),
  });
  expect(outcomes).toEqual({ E_SHAPE: 6, E_FORMAT: 1 }); // 1,024 layers: the third layer's first tensor is missing
});

test("a huge context, which no tensor contradicts, is used up to the limit of the rotary tables", async () => {
  for (const headDim of [2, 4096]) {
    const model = await openModel(await writeModel("F32", { headDim, context: 2 ** 24 }));
    expect(model.config.context).toBe(ropeLimit / headDim);
  }
});
