/** @file Weights of a GGUF file in its own blocks: the same values bit for bit, in products, in tables, and under a gradient. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { distance } from "../../../test/support/numeric.ts";
import { fullLogits, randomLlama } from "../../../test/support/random-llama.ts";
import { createRng } from "../../base/rng.ts";
import { blockCodes, blockOffsets, blockScales, keptBlocks } from "../../files/gguf/blocks.ts";
import { openGguf, readGgufTensor } from "../../files/gguf/read.ts";
import { type GgufTensorType, ggufTypes } from "../../files/gguf/types.ts";
import { writeGguf } from "../../files/gguf/write.ts";
import { constant, input, mean, mul } from "../../graph/build.ts";
import { grad } from "../../graph/grad.ts";
import { interpret } from "../../graph/interpret.ts";
import { numbersOf, type Tensor } from "../../graph/tensor.ts";
import { denseParts, frozenWeights } from "../../nn/parts.ts";
import { dequantizeBlocks } from "../../nn/quantize.ts";
import { quantizedParts, quantizedTensors } from "../../nn/quantized.ts";
import { readWeight } from "../../runtime/read-weight.ts";
import type { ModelConfig } from "../config.ts";
import { frozenParts, frozenSources } from "../frozen-model.ts";
import type { Model } from "../model.ts";
import { openModel } from "../model-file.ts";
import { parameterShapes } from "../parameters.ts";
import { dequantizeWeight } from "../quantized/dequantize.ts";
import { saveGgufModel } from "./save.ts";

const folder = mkdtempSync(join(tmpdir(), "keep-blocks-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "model.gguf");
const types = ["Q4_0", "Q4_1", "Q8_0"] as const;
const ids = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7];

/** A model whose tensors have the types that `typeOf` says. */
async function open(changes: Partial<ModelConfig>, typeOf: (name: string, i: number) => GgufTensorType) {
  await saveGgufModel(path, randomLlama({ hidden: 64, ffn: 96, headDim: 16, ...changes }), { type: "F32" });
  const file = await openGguf(path);
  const tensors = await Promise.all(
    [...file.tensors.values()].map(async ({ name, shape }, i) => {
      const values = await readGgufTensor(file, name);
      return { name, shape, type: shape.length === 1 ? ("F32" as const) : typeOf(name, i), data: () => values };
    }),
  );
  await writeGguf(path, file.metadata, tensors);
  return { kept: await openModel(path, { keepBlocks: true }), wide: await openModel(path) };
}

/** The values that a kept weight stands for. */
async function valuesOf(model: Model, name: string): Promise<Float32Array> {
  const layout = model.blocks!.get(name)!;
  const shape = parameterShapes(model.config).get(name)!;
  const tensors = Object.values(quantizedTensors(name, shape[0]!, shape[1]!, layout)).filter(
    (one) => one !== undefined,
  );
  return dequantizeWeight({ name, shape, layout, tensors }, model.weights);
}

/** Blocks taken apart. */
function splitBlocks(type: GgufTensorType, bytes: Uint8Array, wide = false) {
  const { bits, hasOffsets } = keptBlocks(type, { wide })!;
  const offsets = hasOffsets ? blockOffsets(type, bytes)! : undefined;
  return { bits, packed: blockCodes(type, bytes, { wide }), scales: blockScales(type, bytes), offsets };
}

const mixed = (name: string, i: number) => (name === "blk.0.ffn_up.weight" ? "F16" : types[i % 3]!);

describe.each<[string, Partial<ModelConfig>, (name: string, i: number) => GgufTensorType]>([
  ["a llama, whose rows of q and k are paired", {}, mixed],
  ["a tied table of Q4_1", { tied: true }, () => "Q4_1"],
  ["a tied table of Q4_0", { tied: true }, () => "Q4_0"],
  ["phi3, whose tensors hold several maps", { modelType: "phi3" }, () => "Q4_1"],
  ["qwen2 with biases", { modelType: "qwen2", biased: ["q", "k", "v"] }, () => "Q4_1"],
])("%s", (_, changes, typeOf) => {
  test("has the very values that widening gives", async () => {
    const { kept, wide } = await open(changes, typeOf);
    const matrices = [...parameterShapes(kept.config)].filter(([, shape]) => shape.length === 2).map(([name]) => name);
    const expected = matrices.filter((name) => typeOf !== mixed || !name.endsWith("layers.0.mlp.up_proj.weight"));
    expect([...kept.blocks!.keys()]).toEqual(expected);
    for (const name of kept.blocks!.keys()) {
      expect(kept.weights[name]).toBeUndefined();
      const wanted = await readWeight(wide.weights[name]!);
      expect(Buffer.compare(Buffer.from((await valuesOf(kept, name)).buffer), Buffer.from(wanted.buffer)), name).toBe(
        0,
      );
    }
    expect(kept.sha256).toBe(wide.sha256);
    expect(kept.parameterCount).toBe(wide.parameterCount);
  });

  test("gives the logits of the widened model, but for its inputs rounded to int8", async () => {
    const { kept, wide } = await open(changes, typeOf);
    const [wanted, found] = [
      await fullLogits({ ...wide, weights: { ...wide.weights } }, ids),
      await fullLogits({ config: kept.config, weights: frozenSources(kept) }, ids, frozenParts(kept)),
    ];
    for (const [i, row] of wanted.entries()) {
      expect(distance(found[i]!, row)).toBeLessThan(0.05);
      expect(distance(found[i]!, row)).toBeGreaterThan(0);
    }
  });
});

test.each(["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL"] as const)(
  "%s: any bytes are split into codes of the same values",
  (type) => {
    const rng = createRng(`blocks of ${type}`);
    const { blockBytes, decode } = ggufTypes[type];
    const [n, blocks] = [3, 40];
    const bytes = Uint8Array.from({ length: n * blocks * blockBytes }, () => rng.int(256));
    const halves = type.endsWith("_1") ? [0, 2] : [0];
    for (let at = 0; at < bytes.length; at += blockBytes)
      for (const half of halves) bytes[at + half + 1] = 0x20 + rng.int(0x10) + (rng.int(2) << 7); // numbers of about one size
    const wanted = new Float32Array(n * blocks * 32);
    decode(bytes, wanted);
    for (const wide of [false, true]) {
      const split = splitBlocks(type, bytes, wide);
      const found = dequantizeBlocks({ zeros: undefined, ...split }, n, blocks * 32, {
        bits: split.bits,
        blockSize: 32,
      });
      expect(Buffer.compare(Buffer.from(found.buffer), Buffer.from(wanted.buffer))).toBe(0);
    }
  },
);

test("blocks whose offset is no fp32 are widened instead", () => {
  const block = new Uint8Array(20);
  block.set([0x01, 0x00, 0x00, 0x7b]); // a step of 2^-24 over a least value of 57344
  expect(blockOffsets("Q4_1", block)).toBeUndefined();
});

test("the gradient goes through codes and offsets", () => {
  const rng = createRng("gradient");
  const bytes = Uint8Array.from({ length: 4 * 2 * 20 }, () => rng.int(256));
  for (let at = 0; at < bytes.length; at += 20) for (const half of [1, 3]) bytes[at + half] = 0x30 + rng.int(8);
  const split = splitBlocks("Q4_1", bytes);
  const layout = { bits: 4, blockSize: 32, symmetric: true, hasOffsets: true } as const;
  const tensors = quantizedTensors("w.weight", 4, 64, layout);
  const values = {
    "w.weight.packed": split.packed,
    "w.weight.scales": split.scales,
    "w.weight.offsets": split.offsets!,
  };
  const weights: Record<string, Tensor> = {};
  for (const one of [tensors.packed!, tensors.scales!, tensors.offsets!]) {
    const data = values[one.name as keyof typeof values];
    weights[one.name] = {
      shape: one.shape,
      dtype: one.dtype,
      data: data instanceof Float32Array ? Float64Array.from(data) : data,
    };
  }
  const dense = dequantizeBlocks({ zeros: undefined, ...split }, 4, 64, layout);
  weights["w.weight"] = { shape: [4, 64], dtype: "f32", data: Float64Array.from(dense) };
  const x = input("x", [2, 64]);
  const fed: Tensor = {
    shape: [2, 64],
    dtype: "f32",
    data: Float64Array.from({ length: 128 }, () => rng.next() - 0.5),
  };
  const plain = denseParts(frozenWeights());
  const results = [plain, quantizedParts(plain, () => layout)].map((parts) => {
    const y = parts.linear("w", 64, 4)(x);
    const loss = mean(mul(y, mul(y, constant(2))));
    const outputs = { y, dx: grad(loss, [x])[0]! };
    return interpret({ outputs }, { inputs: { x: fed }, weights });
  });
  for (const name of ["y", "dx"]) {
    const [a, b] = results.map((result) => numbersOf(result[name]!)) as [number[], number[]];
    expect(distance(b, a)).toBeLessThan(1e-6);
  }
});
