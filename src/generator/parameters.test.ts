/** @file Every trained tensor of a generator: how many numbers each variant has, and how they start. */
import { expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { createRng } from "../base/rng.ts";
import { parseModelConfig } from "../models/config-json.ts";
import { GeneratorConfig } from "./config.ts";
import {
  generatorBuffers,
  generatorParameters,
  initialValues,
  isGainOrBias,
  type PairShape,
  parameterNames,
} from "./parameters.ts";

// Cloud: 3 layers of width 32, 4 heads of 8, 2 key–value heads. Edge: 2 layers of width 16, 24 in the feed-forward part.
const cloud = randomLlama({ layers: 3, hidden: 32 }).config;
const edge = randomLlama({ layers: 2, hidden: 16, ffn: 24 }).config;
const shapeOf = (generator: Partial<GeneratorConfig>): PairShape => ({
  cloud,
  edge,
  generator: GeneratorConfig.parse({ experts: 4, rank: 2, cloudRank: 2, ...generator }),
});

const count = (shape: PairShape, prefix: string) =>
  [...generatorParameters(shape)]
    .filter(([name]) => name.startsWith(prefix))
    .reduce((sum, [, info]) => sum + info.shape.reduce((a, b) => a * b, 1), 0);

const pool = 4 * 2 * 3 * (16 + 24); // n · r · (in + out) of gate, up and down
const router = 32 * 8 + 8 + 8 * 4 + 4 + 2 * 4; // f1, f2 and the norm's weight and bias; the hidden layer is a quarter wide

test.each<[Partial<GeneratorConfig>, Record<string, number>]>([
  [{}, { "experts.": pool, "router.": router, meta: 32, "cloud.": 3 * 2 * (32 + 32 + 32 + 16) }],
  [{ poolScope: "layer" }, { "experts.": 2 * pool, "router.": router }],
  [{ routerScope: "layer" }, { "experts.": pool, "router.": 2 * router }],
  [{ routerNorm: "none" }, { "router.": router - 8 }],
  [{ routerNorm: "layer" }, { "router.": router }],
  [{ routerNorm: "batchHidden" }, { "router.": router - 8 + 2 * 8 }],
  [{ routerNormScope: "layer" }, { "router.": router + 8 }],
  [{ routerScope: "layer", routerNormScope: "layer" }, { "router.": 2 * router }],
  // Two norms in each of three layers, and the last; before which "preNorm" reads.
  [{ cloudNorms: true }, { "cloud.norms.": 7 * 32 }],
  [{ cloudNorms: true, metaState: "preNorm" }, { "cloud.norms.": 6 * 32 }],
  // Gates of A and of B.
  [{ compose: "factorsApart" }, { "experts.": pool, "router.": 32 * 8 + 8 + 2 * (8 * 4 + 4 + 2 * 4) }],
  [{ strategy: "linear" }, { "experts.": pool, "router.": router }],
  [{ routerHidden: 5 }, { "router.": 32 * 5 + 5 + 5 * 4 + 4 + 8 }],
  [{ metaTokens: "distinct" }, { meta: 2 * 32 }],
  [{ targets: ["down"] }, { "experts.": pool / 3 }],
  [{ cloudTargets: [] }, { "cloud.": 0 }],
  // Straight from the meta tokens: a linear map from the router's hidden layer to 3 pairs of rank 2.
  [{ generation: "direct" }, { "direct.": (8 + 1) * 2 * 3 * (16 + 24), "experts.": 0, "router.": 32 * 8 + 8 }],
])("%o", (generator, sizes) => {
  for (const [prefix, size] of Object.entries(sizes)) expect(count(shapeOf(generator), prefix), prefix).toBe(size);
});

const opt = parseModelConfig("config.json", {
  model_type: "opt",
  hidden_size: 16,
  ffn_dim: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  vocab_size: 50,
});

test("experts and cloud adapters sit on linear maps that their models have; OPT has two in its feed-forward block", () => {
  const refused = (shape: PairShape) => () => generatorParameters(shape);
  const message = '"gate": a layer of opt has no such linear map; expected some of: q, k, v, o, up, down';
  expect(refused({ ...shapeOf({}), edge: opt })).toThrow(
    expect.objectContaining({ code: "E_CONFIG", message }) as Error,
  );
  const cloudTargets = ["gate" as const];
  expect(refused({ ...shapeOf({ cloudTargets }), cloud: opt })).toThrow(message);
  const pair = { ...shapeOf({ targets: ["up", "down"] }), edge: opt };
  expect(count(pair, "experts.")).toBe(4 * 2 * 2 * (16 + 24));
});

test("only a batch-normalised router over a pool has running statistics", () => {
  expect([...generatorBuffers(shapeOf({ routerScope: "layer" }))].map(([, { shape }]) => shape)).toEqual([
    [2, 1, 4],
    [2, 1, 4],
  ]);
  expect([...generatorBuffers(shapeOf({ routerNorm: "batchHidden" }))].map(([, { shape }]) => shape)).toEqual([
    [1, 1, 8],
    [1, 1, 8],
  ]);
  for (const routerNorm of ["none", "layer"] as const) expect(generatorBuffers(shapeOf({ routerNorm })).size).toBe(0);
  expect(generatorBuffers(shapeOf({ generation: "direct" })).size).toBe(0);
});

test("B starts at zero, so that a fresh generator leaves the edge model as it is; A does not", () => {
  for (const generation of ["pool", "direct"] as const) {
    const values = initialValues(generatorParameters(shapeOf({ generation })), createRng(1));
    const isB = (name: string) => /\.(B|lora_B|B\.weight|B\.bias)$/.test(name);
    for (const [name, data] of values) {
      if (isB(name))
        expect(
          data.every((value) => value === 0),
          name,
        ).toBe(true);
      else if (!name.startsWith("router."))
        expect(
          data.some((value) => value !== 0),
          name,
        ).toBe(true);
    }
    expect([...values.keys()].some(isB)).toBe(true);
  }
});

test("B starts small where asked: every B is normal with a standard deviation of 0.001, and nothing else differs", () => {
  for (const generation of ["pool", "direct"] as const) {
    const zero = initialValues(generatorParameters(shapeOf({ generation })), createRng(1));
    const small = initialValues(generatorParameters(shapeOf({ generation, initialB: "small" })), createRng(1));
    const squares: number[] = [];
    for (const [name, values] of small) {
      if (!/\.(B|lora_B|B\.weight|B\.bias)$/.test(name)) expect(values, name).toEqual(zero.get(name));
      else squares.push(...values.map((value) => value ** 2));
    }
    expect(Math.sqrt(squares.reduce((a, b) => a + b) / squares.length)).toBeCloseTo(1e-3, 4);
    expect(Math.max(...squares)).toBeLessThan(0.006 ** 2);
  }
});

test("a LayerNorm's gain and its bias are trained, an RMSNorm has the gain alone; neither decays", () => {
  const norms = [...generatorParameters({ ...shapeOf({ cloudNorms: true }), cloud: opt }).keys()].filter((name) =>
    name.startsWith("cloud.norms."),
  );
  expect(norms).toHaveLength(2 * (2 * 2 + 1));
  expect(norms).toContain(parameterNames.cloudNorm("model.decoder.final_layer_norm.bias"));
  expect(norms.every(isGainOrBias)).toBe(true);
});

test("values are determined by seed and name, whatever else there is", () => {
  const name = parameterNames.expert(0, "gate", "A");
  const values = (generator: Partial<GeneratorConfig>, seed: number) =>
    initialValues(generatorParameters(shapeOf(generator)), createRng(seed)).get(name)!;
  expect(values({}, 1)).toEqual(values({ targets: ["gate"], metaTokens: "distinct" }, 1));
  expect(values({}, 1)).not.toEqual(values({}, 2));
  expect(Math.max(...values({}, 1).map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(16));
});

test("factors of singular values are gains: pulled to 0 they would take the base model away", () => {
  const factors = [...generatorParameters(shapeOf({ generation: "svf" })).keys()].filter((name) =>
    name.startsWith("factors."),
  );
  expect(factors.length).toBeGreaterThan(0);
  expect(factors.every(isGainOrBias)).toBe(true);
});
