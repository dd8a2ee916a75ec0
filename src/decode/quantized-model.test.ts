import { describe, expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { createRng } from "../base/rng.ts";

import type { FrozenModel } from "../models/frozen-model.ts";
import { mergeAdapter } from "../models/merge-adapter.ts";
import { linearName, linearSize, parameterShapes } from "../models/parameters.ts";
import { type Quantization, quantizations, storedWeights } from "../models/quantized/layout.ts";
import { quantizeModel } from "../models/quantized/quantize-model.ts";
import { requantize } from "../models/quantized/requantize.ts";
import { dequantizeBlocks } from "../nn/quantize.ts";
import type { WeightSource } from "../runtime/session.ts";
import { createCachedModel } from "./cached-model.ts";
import { logitChange } from "./compare-logits.ts";

const ids = [1, 7, 19, 3, 42, 8, 30, 11, 5];
const shape = { hidden: 64, ffn: 96, layers: 2, vocab: 90, heads: 4, kvHeads: 2, headDim: 16 };

async function logitsOf(model: FrozenModel): Promise<Float32Array> {
  await using cached = await createCachedModel(model, { threads: 1 });
  const whole = (await cached.feedAll(ids)).slice();
  // The same, token by token over the cache.
  cached.rewind([], { reuse: false });
  let last = new Float32Array();
  for (const id of ids) last = (await cached.feed([id])).slice() as typeof last;
  expect(distance(last, whole.subarray(-model.config.vocab))).toBeLessThan(0.03);
  return whole;
}

/** ‖a − b‖ / ‖b‖ */
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.hypot(...Array.from(a, (value, i) => value - b[i]!)) / Math.hypot(...Array.from(b));

const dataOf = <T>(source: WeightSource | undefined): T => (source as { data: unknown }).data as T;
const bytesOf = (model: FrozenModel, names: Iterable<string>) =>
  [...names].reduce((sum, name) => sum + dataOf<Float32Array>(model.weights[name]).byteLength, 0);

/** The numbers that a model's codes stand for. */
function dequantized(model: FrozenModel): FrozenModel {
  const weights: Record<string, WeightSource> = { ...model.weights };
  for (const {
    name,
    shape: [n, k],
    layout,
  } of storedWeights(model.config, model.quantization!)) {
    if (layout === undefined) continue;
    const part = <T>(which: string) => dataOf<T>(model.weights[`${name}.${which}`]);
    const zeros = layout.symmetric ? undefined : part<Uint8Array>("zeros");
    const blocks = { packed: part<Uint8Array>("packed"), scales: part<Float32Array>("scales"), zeros };
    weights[name] = { kind: "data", data: dequantizeBlocks(blocks, n!, k!, layout) };
  }
  return { config: model.config, weights };
}

/** A change of every feed-forward map of rank 3. */
function someAdapter({ config }: FrozenModel): NonNullable<FrozenModel["adapter"]> {
  const rng = createRng("adapter");
  const changes = new Map();
  for (let layer = 0; layer < config.layers; layer++)
    for (const target of ["gate", "up", "down"] as const) {
      const { inputs, outputs } = linearSize(config, target);
      const normal = (size: number, deviation: number) => rng.fillNormal(new Float32Array(size), deviation);
      const change = { rank: 3, inputs, outputs, a: normal(3 * inputs, 0.1), b: normal(3 * outputs, 1) };
      changes.set(`${linearName(config, layer, target)}.weight`, change);
    }
  return changes;
}

const cases = Object.entries<Quantization>(quantizations).flatMap(([name, quantization]) =>
  [true, false].map((tied) => ({ name, quantization, tied })),
);

describe.each(cases)("$name, tied head $tied", ({ quantization, tied }) => {
  const plain = randomLlama({ ...shape, tied, seed: 4 });

  test("its logits are those of the weights its codes stand for", async () => {
    const model = await quantizeModel(plain, quantization);
    expect(distance(await logitsOf(model), await logitsOf(dequantized(model)))).toBeLessThan(0.02);
  });

  test("a specialisation beside it gives the logits of one merged before quantising, but for the rounding", async () => {
    const adapter = someAdapter(plain);
    const merged = { config: plain.config, weights: await mergeAdapter(plain.weights, adapter) };
    const expected = await logitsOf(merged);
    const beside = await logitsOf({ ...(await quantizeModel(plain, quantization)), adapter });
    const before = await logitsOf(await quantizeModel(merged, quantization));
    const base = await logitsOf(plain);
    expect(distance(expected, base)).toBeGreaterThan(0.1); // the specialisation matters
    // How far rounding alone moves the base model is the measure.
    const rounding = distance(await logitsOf(await quantizeModel(plain, quantization)), base);
    expect(rounding).toBeLessThan(quantization.bits === 8 ? 0.03 : 0.4);
    expect(distance(beside, expected)).toBeLessThan(1.5 * rounding);
    expect(distance(beside, before)).toBeLessThan(2 * rounding);
  });

  test("merging into the codes is merging into what they stand for, and quantising that", async () => {
    const adapter = someAdapter(plain);
    const beside = { ...(await quantizeModel(plain, quantization)), adapter };
    const again = await requantize(beside);
    expect(again.adapter).toBeUndefined();
    const { weights } = dequantized(beside);
    const expected = await quantizeModel(
      { config: plain.config, weights: await mergeAdapter(weights, adapter) },
      quantization,
    );
    for (const name of [...adapter.keys()].map((weight) => `${weight}.packed`))
      expect(dataOf(again.weights[name]), name).toEqual(dataOf(expected.weights[name]));
    const change = await logitChange(beside, again, ids, { threads: 1 });
    expect(change.tokens).toBe(ids.length);
    expect(change.largest).toBeGreaterThan(change.mean);
    expect(change.mean).toBeGreaterThan(0);
    expect(change.agreement).toBeGreaterThanOrEqual(quantization.bits === 8 ? 0.7 : 0.2);
  });
});

test("int8 takes 9, int4 5 of the 32 bits of a linear map's weight; embeddings and head 8.5", async () => {
  const plain = randomLlama({ ...shape, tied: false });
  const names = [...parameterShapes(plain.config).keys()];
  const maps = names.filter((name) => /proj/.test(name));
  const rest = names.filter((name) => /embed|head/.test(name));
  for (const [quantization, share] of [
    [quantizations.int8, 9 / 32],
    [quantizations.int4, 5 / 32],
  ] as const) {
    const model = await quantizeModel(plain, quantization);
    const stored = (of: readonly string[]) => of.flatMap((name) => [`${name}.packed`, `${name}.scales`]);
    expect(bytesOf(model, stored(maps))).toBe(share * bytesOf(plain, maps));
    expect(bytesOf(model, stored(rest))).toBe((8.5 / 32) * bytesOf(plain, rest)); // of width 64: in blocks of 64
    for (const name of [...maps, ...rest]) expect(model.weights).not.toHaveProperty([name]);
  }
});

test("what is quantised already is taken as it is, or refused where other bits are asked for", async () => {
  const model = await quantizeModel(randomLlama(), quantizations.int8);
  expect((await quantizeModel(model, quantizations.int8)).weights).toBe(model.weights);
  await expect(quantizeModel(model, quantizations.int4)).rejects.toMatchObject({
    code: "E_CONFIG",
    message: "the model: is quantised to int8, asked for int4: quantise the model it was made from",
  });
});

test("a model in larger blocks that is asked for without their size keeps its own, and its logits", async () => {
  const model = await quantizeModel(randomLlama({ ...shape, tied: false }), quantizations["int4-64"]);
  const same = await quantizeModel(model, quantizations.int4);
  expect(same.quantization).toEqual(model.quantization);
  expect(same.quantization).toMatchObject(quantizations["int4-64"]);
  expect(await logitsOf(same)).toEqual(await logitsOf(model));
  await expect(quantizeModel(model, quantizations.int8)).rejects.toMatchObject({
    code: "E_CONFIG",
    message: "the model: is quantised to int4-64, asked for int8: quantise the model it was made from",
  });
});

test("a weight that is not finite is named", async () => {
  const plain = randomLlama();
  const name = "model.layers.1.mlp.up_proj.weight";
  const values = dataOf<Float32Array>(plain.weights[name]).slice();
  values[5] = Number.NaN;
  const weights: Record<string, WeightSource> = { ...plain.weights, [name]: { kind: "data", data: values } };
  await expect(quantizeModel({ ...plain, weights }, quantizations.int4)).rejects.toMatchObject({
    code: "E_NAN",
    message: `${name}: quantize: value 5 is NaN`,
  });
});
