import { expect, test } from "vitest";
import { fullLogits, randomLlama } from "../../test/support/random-llama.ts";
import { createRng } from "../base/rng.ts";
import type { ModelConfig } from "../models/config.ts";
import { createCachedModel } from "./cached-model.ts";

const randomIds = (count: number, vocab: number, seed = 7): number[] => {
  const rng = createRng(seed);
  return Array.from({ length: count }, () => rng.int(vocab));
};

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
  return worst;
}

const shapes = [
  { name: "grouped heads, tied head", changes: { tied: true } },
  { name: "one key–value head", changes: { kvHeads: 1 } },
  { name: "as many key–value heads as heads", changes: { kvHeads: 4 } },
  { name: "heads wider than the hidden size", changes: { headDim: 24, layers: 3 } },
  { name: "heads of 2, which the fused attention does not take", changes: { headDim: 2 } },
  { name: "heads of 12, which the fused attention does not take", changes: { headDim: 12 } },
  { name: "heads of 100, a window and capped scores", changes: { headDim: 100, windows: [5, 0], attentionCap: 4 } },
  { name: "heads of 6 and learned positions", changes: { modelType: "opt", headDim: 6, kvHeads: 4 } },
] as const;

test.each(shapes)("cached logits equal those of full recomputation at every step: $name", async ({ changes }) => {
  const model = randomLlama(changes);
  const ids = randomIds(20, model.config.vocab);
  const wanted = await fullLogits(model, ids);
  await using cached = await createCachedModel(model, { capacity: 20, threads: 1 });
  for (const pieces of [[20], [7, ...new Array<number>(13).fill(1)], [1, 1, 5, 1, 12], [3, 17]]) {
    cached.rewind([], { reuse: false });
    let at = 0;
    for (const length of pieces) {
      const logits = await cached.feed(ids.slice(at, at + length));
      at += length;
      expect(largestDifference(logits, wanted[at - 1]!), `${pieces}: after token ${at}`).toBeLessThan(1e-5);
    }
  }
});

test("the logits of every fed token equal full recomputation, behind a cache and without one", async () => {
  const model = randomLlama();
  const ids = randomIds(16, model.config.vocab);
  const wanted = await fullLogits(model, ids);
  await using cached = await createCachedModel(model, { threads: 1 });
  const rows = (from: number, to: number) => wanted.slice(from, to).flatMap((row) => [...row]);
  expect(largestDifference(await cached.feedAll(ids.slice(0, 6)), rows(0, 6))).toBeLessThan(1e-5);
  expect(largestDifference(await cached.feedAll(ids.slice(6)), rows(6, 16))).toBeLessThan(1e-5);
});

test.each<[string, Partial<ModelConfig>]>([
  ["a plain model", {}],
  ["windows and wide heads", { modelType: "mistral", windows: [200, 700], headDim: 256 }],
  ["capped scores, wide heads", { modelType: "gemma2", windows: [200, 0], headDim: 256, attentionCap: 4, logitCap: 9 }],
  ["learned positions", { modelType: "opt", kvHeads: 4, biased: ["q", "k", "v", "o", "up", "down"] }],
])("input longer than one piece equals full recomputation: %s", async (_, changes) => {
  const model = randomLlama({ context: 1200, ...changes });
  const ids = randomIds(1100, model.config.vocab);
  const wanted = await fullLogits(model, ids);
  await using cached = await createCachedModel(model, { threads: 1 });
  expect(largestDifference(await cached.feed(ids), wanted.at(-1)!)).toBeLessThan(1e-4);
});

test("the cache grows and shrinks with the sequence without losing what it holds", async () => {
  const model = randomLlama({ context: 400 });
  const ids = randomIds(330, model.config.vocab);
  const wanted = await fullLogits(model, ids);
  await using cached = await createCachedModel(model, { threads: 1 });
  for (const [kept, end] of [
    [0, 60],
    [60, 70],
    [70, 330],
    [40, 50],
    [50, 200],
    [10, 11],
    [11, 140],
  ] as const) {
    expect(cached.rewind(ids.slice(0, kept), { reuse: true })).toBe(kept);
    for (let at = kept; at < end; at += 13) {
      const last = Math.min(at + 13, end);
      const logits = await cached.feed(ids.slice(at, last));
      expect(largestDifference(logits, wanted[last - 1]!), `${kept}…${end} at ${last}`).toBeLessThan(1e-5);
    }
  }
});

test("rewinding keeps exactly what the sequences share", async () => {
  const model = randomLlama();
  const ids = randomIds(12, model.config.vocab);
  await using cached = await createCachedModel(model, { threads: 1 });
  await cached.feed(ids);
  const changed = [...ids.slice(0, 5), (ids[5]! + 1) % model.config.vocab, ...ids.slice(6)];
  expect(cached.rewind(changed, { reuse: true })).toBe(5);
  const logits = await cached.feed(changed.slice(5));
  expect(largestDifference(logits, (await fullLogits(model, changed)).at(-1)!)).toBeLessThan(1e-5);
  expect(cached.rewind(changed, { reuse: false })).toBe(0);
});

test("a full cache, an unknown token and a capacity beyond the context are refused", async () => {
  const model = randomLlama({ context: 16 });
  await expect(createCachedModel(model, { capacity: 17 })).rejects.toMatchObject({ code: "E_LIMIT" });
  await using cached = await createCachedModel(model, { capacity: 8, threads: 1 });
  await expect(cached.feed(randomIds(9, 50))).rejects.toMatchObject({ code: "E_LIMIT" });
  await expect(cached.feed([50])).rejects.toMatchObject({ code: "E_LIMIT" });
  await cached.feed(randomIds(8, 50));
  await expect(cached.feed([1])).rejects.toMatchObject({ code: "E_LIMIT" });
});
