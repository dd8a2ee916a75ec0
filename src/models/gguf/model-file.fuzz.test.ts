/**
 * @file Damaged GGUF models of each kind and GGUF adapters: each opens with all its weights, or is refused. 2,000 of Llama and of adapters;
 * of every other kind 500, and 2,000 with LORAGEN_FUZZ=whole.
 */
import { mkdtempSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../../test/support/fuzz.ts";
import { mutateGguf } from "../../../test/support/mutate-gguf.ts";
import { randomAdapter } from "../../../test/support/random-adapter.ts";
import { randomLlama } from "../../../test/support/random-llama.ts";
import { openGguf } from "../../files/gguf/read.ts";
import { readGgufAdapter, writeGgufAdapter } from "../../lora/gguf-format.ts";
import { yarnMagnitude } from "../config-keys.ts";
import { openModel } from "../model-file.ts";
import { parameterShapes } from "../parameters.ts";
import { ggufPlaces } from "./names.ts";
import { saveGgufModel } from "./save.ts";

const magnitude = yarnMagnitude(4);
const tiny = { hidden: 8, ffn: 12, headDim: 2, vocab: 20, layers: 1 } as const;

async function sound(path: string): Promise<readonly [Uint8Array, number]> {
  const { tensors } = await openGguf(path);
  return [new Uint8Array(readFileSync(path)), Math.min(...[...tensors.values()].map(({ offset }) => offset))];
}

const countOf = (name: string) => (name === "Llama" || process.env["LORAGEN_FUZZ"] === "whole" ? 2000 : 500);

/** All outcomes so far. */
const seen = new Set<string>();

test.each([
  ["Llama", {}],
  [
    "Qwen 3",
    { modelType: "qwen3", ropeScaling: { type: "yarn", factor: 4, originalContext: 16, fast: 32, slow: 1, magnitude } },
  ],
  [
    "Gemma 3",
    {
      modelType: "gemma3_text",
      layers: 6,
      windows: [8, 8, 8, 8, 8, 0],
      queryScalar: 2,
      windowRotary: { theta: 20000, scaling: undefined },
    },
  ],
  [
    "Granite",
    { modelType: "granite", multipliers: { embedding: 12, residual: 0.22, attention: 0.02, logitDivisor: 8 } },
  ],
  ["SmolLM3", { modelType: "smollm3", layers: 4, unturned: [false, false, false, true] }],
  [
    "Phi 3",
    {
      modelType: "phi3",
      ropeScaling: { type: "longrope", short: [1.1], long: [3], originalContext: 64, magnitude: 1.1 },
    },
  ],
  ["LFM 2", { modelType: "lfm2", layers: 3, convolution: { width: 3, layers: [true, false, true] } }],
] as const)("mutated models of %s open soundly or are refused", async (name, kind) => {
  const path = join(mkdtempSync(join(tmpdir(), "fuzz-")), "model.gguf");
  await saveGgufModel(path, randomLlama({ ...tiny, ...kind }), { type: "F32" });
  const [original, headerBytes] = await sound(path);
  const { outcomes, reasons } = await fuzz({
    seed: `gguf ${name}`,
    count: countOf(name),
    damage: damageFile(path, original, mutateGguf(headerBytes)),
    read: async () => {
      const { config, weights } = await openModel(path);
      for (const [weight, shape] of parameterShapes(config)) {
        const size = shape.reduce((a, b) => a * b, 1);
        const source = weights[weight]!;
        if (source.kind === "data") expect(source.data).toHaveLength(size);
        else {
          expect(source.bytes).toBe(4 * size);
          if (source.kind === "decoded") expect(await source.read()).toHaveLength(size);
          else expect(source.offset + source.bytes).toBeLessThanOrEqual(statSync(path).size);
        }
      }
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(0.05 * countOf(name));
  expect(outcomes["E_FORMAT"]).toBeGreaterThan(0.15 * countOf(name));
  expect(outcomes["E_LIMIT"]).toBeGreaterThan(0);
  expect(reasons).toBeGreaterThan(countOf(name) === 2000 ? 25 : 20);
  for (const code of Object.keys(outcomes)) seen.add(code);
});

test("some of them were refused for an architecture, for types and for shapes", () => {
  for (const code of ["E_ARCHITECTURE", "E_DTYPE", "E_SHAPE"]) expect(seen).toContain(code);
});

test("2,000 mutated adapters fit the base model or are refused", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "fuzz-")), "adapter.gguf");
  const { config } = randomLlama(tiny);
  const shapes = parameterShapes(config);
  const options = { architecture: "llama", places: ggufPlaces(config) };
  await writeGgufAdapter(path, randomAdapter(config, { rank: 2 }), options);
  const [original, headerBytes] = await sound(path);
  const { outcomes } = await fuzz({
    seed: "gguf adapter",
    damage: damageFile(path, original, mutateGguf(headerBytes)),
    read: async () => {
      for (const [weight, { rank, inputs, outputs, a, b }] of await readGgufAdapter(path, shapes, options)) {
        expect([outputs, inputs]).toEqual(shapes.get(weight));
        expect([a.length, b.length]).toEqual([rank * inputs, rank * outputs]);
      }
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(100);
  expect(outcomes["E_MISMATCH"]).toBeGreaterThan(50);
});
