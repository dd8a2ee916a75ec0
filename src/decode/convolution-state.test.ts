/** @file What convolutions read stays with its sequence: going back, batches of different lengths, kept beginnings, rows that move. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { distance } from "../../test/support/numeric.ts";
import { createFullModel, openReferenceModel } from "../../test/support/reference-model.ts";
import type { Model } from "../models/model.ts";
import { type BatchModel, createBatchModel } from "./batch-model.ts";
import { createCachedModel } from "./cached-model.ts";
import { createDecoder } from "./decoder.ts";

const noGates = new Float32Array(0);
let model: Model;
let ids: readonly number[];
let batch: BatchModel;
let full: Awaited<ReturnType<typeof createFullModel>>;

beforeAll(async () => {
  ({ model, tokens: ids } = await openReferenceModel("lfm2"));
  full = await createFullModel(model);
  batch = await createBatchModel(model, { slots: 3, threads: 1 });
});
afterAll(async () => {
  await batch.close();
  await full[Symbol.asyncDispose]();
});

/** The logits behind the last of some tokens, without a cache. */
const wanted = async (tokens: readonly number[]) => (await full.logits(tokens)).at(-1)!;

test("a sequence goes back to any position, and on with other tokens", async () => {
  await using cached = await createCachedModel(model, { threads: 1 });
  await cached.feed(ids.slice(0, 90));
  for (const kept of [70, 63, 2, 1, 0]) {
    const other = [...ids.slice(0, kept), ...ids.slice(200, 205)];
    expect(cached.rewind(other, { reuse: true })).toBe(kept);
    const found = await cached.feed(other.slice(kept, kept + 3));
    expect(distance(found, await wanted(other.slice(0, kept + 3))), `${kept}`).toBeLessThan(1e-5);
    for (const end of [kept + 4, kept + 5])
      expect(distance(await cached.feed([other[end - 1]!]), await wanted(other.slice(0, end)))).toBeLessThan(1e-5);
  }
});

test("continuations that are scored one behind the other do not see each other", async () => {
  await using decoder = await createDecoder(model, { threads: 1 });
  const answers = [ids.slice(30, 34), ids.slice(40, 42), ids.slice(30, 34)];
  const [first, , again] = await decoder.score(ids.slice(0, 21), answers);
  expect(again).toBe(first);
  const [alone] = await decoder.score(ids.slice(0, 21), [answers[0]!], { reusePrefix: false });
  expect(Math.abs(alone! - first!)).toBeLessThan(1e-5);
});

test("sequences of 1, 2 and 19 tokens read together decode as each does alone; one is read on, one is kept, one moves", async () => {
  const prompts = [ids.slice(0, 19), ids.slice(50, 51), ids.slice(90, 92)];
  const held = prompts.map(({ length }) => length);
  batch.makeRoom(64, [0, 0, 0]);
  const check = async (logits: Float32Array, row: number, tokens: readonly number[]) => {
    const { vocab } = model.config;
    expect(distance(logits.slice(row * vocab, (row + 1) * vocab), await wanted(tokens))).toBeLessThan(1e-5);
  };
  const read = await batch.prefill(prompts.map((tokens, slot) => ({ slot, held: 0, ids: tokens, gates: noGates })));
  for (const [slot, tokens] of prompts.entries()) await check(read.slice(), slot, tokens);
  for (let step = 0; step < 4; step++) {
    const next = prompts.map((_, slot) => ids[150 + 10 * slot + step]!);
    const rows = prompts.map((_, slot) => ({ slot, held: held[slot]!, ids: [next[slot]!], gates: noGates }));
    const logits = (await batch.decode(rows, held)).slice();
    for (const [slot, tokens] of prompts.entries()) {
      tokens.push(next[slot]!);
      held[slot]!++;
      await check(logits, slot, tokens);
    }
  }
  const more = ids.slice(200, 205);
  const longer = await batch.extend({ slot: 0, held: held[0]!, ids: more, gates: noGates });
  await check(longer.slice(), 0, [...prompts[0]!, ...more]);
  const saved = batch.save(1, 3);
  batch.makeRoom(128, held);
  batch.move(2, 1, held[2]!); // of six tokens
  const moved = await batch.extend({ slot: 1, held: held[2]!, ids: more, gates: noGates });
  await check(moved.slice(), 0, [...prompts[2]!, ...more]);
  batch.load(2, saved);
  const rest = await batch.extend({ slot: 2, held: 3, ids: more, gates: noGates });
  await check(rest.slice(), 0, [...prompts[1]!.slice(0, 3), ...more]);
});
