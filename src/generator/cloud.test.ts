/** @file What the router reads of the cloud model: what meta tokens see, which layers are read, what is added to the norms. */
import { describe, expect, test } from "vitest";
import { distance } from "../../test/support/numeric.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { tinyGenerator } from "../../test/support/tiny-generator.ts";
import { createRng } from "../base/rng.ts";
import { flattenRows, input } from "../graph/build.ts";
import { embed, forward } from "../models/decoder.ts";
import { ropeNames } from "../models/rope.ts";
import { denseParts, frozenWeights, scoped } from "../nn/parts.ts";
import { compile } from "../runtime/node.ts";
import type { WeightSource } from "../runtime/session.ts";
import { floats, floatTensor, intTensor } from "../runtime/tensor.ts";
import { cloudFeeds, cloudInputs, cloudParts, metaHidden } from "./cloud.ts";
import type { GeneratorConfig } from "./config.ts";
import { matchedLayer } from "./meta-state.ts";
import { generatorParameters, parameterNames } from "./parameters.ts";

const vocab = 50;
const metaId = 2;
const prompt = [7, 12, 30, 9, 21];
const wide = { seed: 5, vocab, hidden: 24, ffn: 32, heads: 3, kvHeads: 1, headDim: 8, tied: true };
const deep = randomLlama({ ...wide, layers: 3 });
const [L, width] = [4, 24];
const edge = randomLlama({ seed: 2, vocab, hidden: 16, ffn: 24, layers: L, heads: 2, kvHeads: 1, headDim: 8 });
const meta = createRng("meta").fillNormal(new Float32Array(L * width), 1);

type Given = {
  readonly meta?: Float32Array;
  readonly moved?: boolean;
  readonly norms?: Readonly<Record<string, number>>;
};

/** H (L, d) of one prompt; unless `moved`, the cloud's LoRA is zero. */
async function hiddenOf(
  changes: Partial<GeneratorConfig>,
  given: Given = {},
  cloud = deep,
  joins?: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  const tiny = tinyGenerator({ metaTokens: "distinct", ...changes }, { cloud, edge });
  const infos = generatorParameters(tiny.pair);
  const nodes = new Map([...infos].map(([name, { shape }]) => [name, input(`p/${name}`, shape)]));
  const get = (name: string) => nodes.get(name)!;
  const parts = cloudParts(tiny.pair, scoped(denseParts(frozenWeights()), "cloud."), get);
  const hidden = metaHidden(tiny.pair, parts, get, cloudInputs(L, { joined: joins !== undefined }));
  await using session = await compile({ outputs: { hidden } }, { weights: tiny.weights, threads: 1 });
  const rows = [[...prompt, ...new Array<number>(L).fill(metaId)], new Array<number>(20).fill(3)]; // the first is padded
  const state = tiny.start({ moved: given.moved === true });
  for (const [name, value] of Object.entries(given.norms ?? {}))
    state[`p/${parameterNames.cloudNorm(name)}`] = floatTensor([width], new Float32Array(width).fill(value));
  const result = await session.run({
    ...state,
    [`p/${parameterNames.meta}`]: floatTensor([L, width], given.meta ?? meta),
    ...cloudFeeds(rows, L, 0, joins),
  });
  const flat = floats(result["hidden"]);
  return Array.from({ length: L }, (_, i) => flat.slice(i * width, (i + 1) * width));
}

const moveMeta = (slot: number): Float32Array =>
  meta.map((value, at) => (Math.floor(at / width) === slot ? value + 0.5 : value));

describe("metaAttention", () => {
  test("block: a meta token changes its own state and no other; causal: its own and later ones", async () => {
    for (const [metaAttention, isChanged] of [
      ["block", (i: number, j: number) => i === j],
      ["causal", (i: number, j: number) => i >= j],
    ] as const) {
      const before = await hiddenOf({ metaAttention });
      for (let j = 0; j < L; j++) {
        const after = await hiddenOf({ metaAttention }, { meta: moveMeta(j) });
        for (let i = 0; i < L; i++)
          expect(distance(after[i]!, before[i]!) > 1e-5, `${metaAttention}: state ${i} after moving ${j}`).toBe(
            isChanged(i, j),
          );
      }
    }
  });

  test("block: in a model without positions, each state is that of its meta token alone behind the prompt", async () => {
    const unturned = randomLlama({ ...wide, layers: 3 });
    for (const [name, value] of [
      [ropeNames.cos, 1],
      [ropeNames.sin, 0],
    ] as const)
      (unturned.weights[name] as { data: Float32Array }).data.fill(value);
    const block = await hiddenOf({ metaAttention: "block" }, {}, unturned);
    for (let i = 0; i < L; i++) {
      const first = meta.slice();
      first.set(meta.subarray(i * width, (i + 1) * width), 0);
      const [alone] = await hiddenOf({}, { meta: first }, unturned); // the first meta token sees the prompt alone
      expect(distance(block[i]!, alone!)).toBeLessThan(1e-5);
    }
  });

  test("block: positions go on, so that equal meta tokens differ by layer", async () => {
    const states = await hiddenOf({ metaAttention: "block" }, { meta: meta.map((_, at) => meta[at % width]!) });
    for (let i = 1; i < L; i++) expect(distance(states[i]!, states[0]!)).toBeGreaterThan(1e-4);
  });
});

/** What the first `layers` layers of the cloud model and its final norm make of the sequence, computed as a model of its own. */
async function shallowStates(layers: number): Promise<Float32Array[]> {
  const config = { ...deep.config, layers, vocab: vocab + L };
  const table = (deep.weights["model.embed_tokens.weight"] as { data: Float32Array }).data;
  const weights: Record<string, WeightSource> = {
    ...deep.weights,
    "model.embed_tokens.weight": { kind: "data", data: Float32Array.from([...table, ...meta]) },
  };
  const parts = denseParts(frozenWeights());
  const tokens = input("tokens", ["batch", "time"], "i64");
  const hidden = flattenRows(forward(config, parts, embed(config, parts, tokens)));
  await using session = await compile({ outputs: { hidden } }, { weights, threads: 1 });
  const ids = [...prompt, ...Array.from({ length: L }, (_, i) => vocab + i)];
  const flat = floats((await session.run({ tokens: intTensor([1, ids.length], ids) }))["hidden"]);
  return Array.from({ length: L }, (_, i) => flat.slice((prompt.length + i) * width, (prompt.length + i + 1) * width));
}

describe.each(["causal", "block"] as const)("prompts joined in a row, %s", (metaAttention) => {
  test("each has the states it has in a row of its own, wherever it stands", async () => {
    const alone = await hiddenOf({ metaAttention });
    for (const joins of [[[0, 1]], [[1, 0]], [[1], [0]]]) {
      const joined = await hiddenOf({ metaAttention }, {}, deep, joins);
      joined.forEach((state, i) => {
        expect(distance(state, alone[i]!)).toBeLessThan(1e-5);
      });
    }
  });
});

describe("metaState", () => {
  test("last is the whole model's last hidden state", async () => {
    const [states, expected] = [await hiddenOf({}), await shallowStates(3)];
    states.forEach((state, i) => {
      expect(distance(state, expected[i]!)).toBeLessThan(1e-5);
    });
  });

  test("mean is the average over models cut off behind each layer", async () => {
    const cut = await Promise.all([1, 2, 3].map(shallowStates));
    const states = await hiddenOf({ metaState: "mean" });
    states.forEach((state, i) => {
      const expected = state.map((_, at) => (cut[0]![i]![at]! + cut[1]![i]![at]! + cut[2]![i]![at]!) / 3);
      expect(distance(state, expected)).toBeLessThan(1e-5);
    });
  });

  test("matched reads for each edge layer the model cut off behind round(i·Lc/Le) layers", async () => {
    const cut = await Promise.all([1, 2, 3].map(shallowStates));
    const states = await hiddenOf({ metaState: "matched" });
    // 1·3/4, 2·3/4, 3·3/4 and 4·3/4, rounded half up
    [1, 2, 2, 3].forEach((layer, i) => {
      expect(distance(states[i]!, cut[layer - 1]![i]!)).toBeLessThan(1e-5);
    });
  });

  test("a matched layer is always there, and the last edge layer reads the last", () => {
    for (const cloud of [1, 2, 7, 24])
      for (const layers of [1, 3, 16, 80]) {
        const pair = { cloud: { ...deep.config, layers: cloud }, edge: { ...edge.config, layers } };
        const read = Array.from({ length: layers }, (_, i) => matchedLayer(i + 1, pair));
        expect(Math.min(...read)).toBeGreaterThanOrEqual(1);
        expect(read.at(-1)).toBe(cloud);
        expect(read).toEqual(read.toSorted((a, b) => a - b));
      }
  });

  test("preNorm, normed by hand, is last", async () => {
    const gain = (deep.weights["model.norm.weight"] as { data: Float32Array }).data;
    const [raw, last] = [await hiddenOf({ metaState: "preNorm" }), await hiddenOf({})];
    raw.forEach((state, i) => {
      const meanSquare = state.reduce((sum, value) => sum + value * value, 0) / width;
      const normed = state.map((value, at) => (value / Math.sqrt(meanSquare + deep.config.epsilon)) * gain[at]!);
      expect(distance(normed, last[i]!)).toBeLessThan(1e-5);
      expect(distance(state, last[i]!)).toBeGreaterThan(0.01);
    });
  });
});

describe("cloudNorms", () => {
  test("what is added starts at zero and leaves the states as they are", async () => {
    expect(await hiddenOf({ cloudNorms: true })).toEqual(await hiddenOf({}));
  });

  test("what is added to gains is as if the cloud model had them so", async () => {
    const norms = { "model.norm.weight": 0.25, "model.layers.1.input_layernorm.weight": -0.5 };
    const changed = { ...deep, weights: { ...deep.weights } };
    for (const [name, value] of Object.entries(norms)) {
      const { data } = deep.weights[name] as { data: Float32Array };
      changed.weights[name] = { kind: "data", data: data.map((gain) => gain + value) };
    }
    const states = await hiddenOf({ cloudNorms: true }, { norms });
    const expected = await hiddenOf({}, {}, changed);
    states.forEach((state, i) => {
      expect(distance(state, expected[i]!)).toBeLessThan(1e-5);
    });
    expect(distance(states[0]!, (await hiddenOf({}))[0]!)).toBeGreaterThan(0.01);
  });
});
