/** @file Swapping specialisations without merging: the answers of a fresh merge, and back to the very base model. */
import { expect, test } from "vitest";
import { openTinyPair, specializationOf } from "../../test/support/tiny-pair.ts";
import { createDecoder, type Decoder } from "../decode/decoder.ts";
import type { GeneratorConfig } from "../generator/config.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { quantizations } from "../models/quantized/layout.ts";
import { type MergeOptions, merge } from "./merge.ts";
import type { Pair } from "./pair-file.ts";
import type { Specialization } from "./specialization.ts";
import { specializedEdge } from "./specialized-edge.ts";
import { createSwappableDecoder } from "./swap.ts";

const prompt = [1, 7, 19, 3, 42, 8, 30, 11, 5];
const continuations = [[4], [9, 12], [200, 3, 8, 61]];
const threads = 1;

/** Two specialisations that have no gate in common; where A and B have gates of their own, those of B are others. */
function twoOf(pair: Pair) {
  const isApart = pair.shape.generator.compose === "factorsApart";
  const withB = (row: number[], ofB: number[]) => (isApart ? [...row, ...ofB] : row);
  return {
    first: specializationOf(pair, [
      withB([0.25, 0, 0.75, 0], [0, -0.5, 0.5, 0]),
      withB([0, 1, 0, 0], [0.2, 0.8, 0, 0]),
    ]),
    second: specializationOf(pair, [withB([0, 0.5, 0, 0.5], [0.5, 0, 0, 0.5]), withB([0.9, 0, 0, 0.1], [0, 0, 1, -1])]),
  };
}

const scoresOf = (decoder: Decoder) => decoder.score(prompt, continuations);

async function scoresOfModel(model: FrozenModel): Promise<number[]> {
  await using decoder = await createDecoder(model, { threads });
  return scoresOf(decoder);
}

const scoresOfMerged = async (pair: Pair, specialization: Specialization, options: MergeOptions = {}) =>
  scoresOfModel(await merge(pair, specialization, options));

/** The largest difference, of the larger number. */
const gap = (found: readonly number[], wanted: readonly number[]): number =>
  Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!) / Math.max(1, Math.abs(wanted[i]!))));

test.each<Partial<GeneratorConfig>>([
  {},
  { poolScope: "layer", targets: ["q", "k", "v", "o", "gate", "up", "down"] },
  { compose: "factors" },
  { compose: "factorsApart" },
  { generation: "svf" },
])("%o: every swap scores as a fresh merge does, and the way back is exact", async (generator) => {
  const pair = await openTinyPair({ generator });
  const { first, second } = twoOf(pair);
  await using decoder = await createSwappableDecoder(pair, { threads });
  const base = await scoresOf(decoder);
  expect(base).toEqual(await scoresOfModel(pair.edge));
  await decoder.swap(first);
  const asFirst = await scoresOf(decoder);
  expect(gap(asFirst, await scoresOfMerged(pair, first))).toBeLessThan(1e-6);
  await decoder.swap(second);
  const asSecond = await scoresOf(decoder);
  expect(gap(asSecond, await scoresOfMerged(pair, second))).toBeLessThan(1e-6);
  for (const [one, other] of [
    [base, asFirst],
    [base, asSecond],
    [asFirst, asSecond],
  ] as const)
    expect(gap(one, other)).toBeGreaterThan(1e-3);
  await decoder.swap(first);
  expect(await scoresOf(decoder)).toEqual(asFirst);
  await decoder.swap(undefined);
  expect(await scoresOf(decoder)).toEqual(base);
});

test.each<[Partial<GeneratorConfig>, number]>([
  [{}, 0.5],
  [{}, -0.5],
  [{ compose: "factors" }, 0.5],
  [{ compose: "factorsApart" }, 0.5],
  [{ compose: "factorsApart" }, -0.5],
  [{ generation: "svf" }, -0.5],
])("%o: a strength of %d is that of a merge", async (generator, scale) => {
  const pair = await openTinyPair({ generator });
  const { first } = twoOf(pair);
  await using decoder = await createSwappableDecoder(pair, { threads });
  await decoder.swap(first, { scale });
  expect(gap(await scoresOf(decoder), await scoresOfMerged(pair, first, { scale }))).toBeLessThan(1e-6);
});

test("over quantised weights a swap scores as the adapter beside them does", async () => {
  const pair = await openTinyPair({}, { quantize: { edge: quantizations.int8 } });
  const { first } = twoOf(pair);
  await using decoder = await createSwappableDecoder(pair, { threads });
  await decoder.swap(first);
  expect(gap(await scoresOf(decoder), await scoresOfModel(await specializedEdge(pair, first)))).toBeLessThan(0.02);
});

test("a swap lets the cache of the specialisation before go", async () => {
  const pair = await openTinyPair();
  const { first, second } = twoOf(pair);
  const greedy = { maxTokens: 8, stopIds: [] };
  await using swapped = await createSwappableDecoder(pair, { threads });
  await swapped.swap(first);
  const before = await swapped.generate(prompt, greedy);
  await swapped.swap(second);
  const after = await swapped.generate([...prompt, ...before.ids], greedy);
  await using fresh = await createDecoder(await merge(pair, second), { threads });
  expect(after.ids).toEqual((await fresh.generate([...prompt, ...before.ids], greedy)).ids);
});

test("a swap waits for the call under way", async () => {
  const pair = await openTinyPair();
  const { first, second } = twoOf(pair);
  const greedy = { maxTokens: 8, stopIds: [] };
  await using decoder = await createSwappableDecoder(pair, { threads });
  await decoder.swap(first);
  const alone = await decoder.generate(prompt, { ...greedy, reusePrefix: false });
  const [crossed] = await Promise.all([decoder.generate(prompt, greedy), decoder.swap(second)]);
  expect(crossed.ids).toEqual(alone.ids);
});

test("another pair's specialisation, a direct generator and a negative strength of mixed factors are refused", async () => {
  const pair = await openTinyPair({ generator: { compose: "factors" } });
  const { first } = twoOf(pair);
  await using decoder = await createSwappableDecoder(pair, { threads });
  await expect(decoder.swap({ ...first, edgeSha256: "1".repeat(64) })).rejects.toMatchObject({ code: "E_MISMATCH" });
  await expect(decoder.swap(first, { scale: -1 })).rejects.toMatchObject({ code: "E_USAGE" });
  const direct = await openTinyPair({ generator: { generation: "direct" } });
  await expect(createSwappableDecoder(direct)).rejects.toMatchObject({ code: "E_CONFIG" });
});
