/** @file Layers that do not read all positions hold little more than they read: the same logits, going back, and the memory that it saves. */
import { beforeAll, describe, expect, test } from "vitest";
import { nearModels } from "../../test/support/near-models.ts";
import { distance } from "../../test/support/numeric.ts";
import { fullLogits, randomLlama } from "../../test/support/random-llama.ts";
import { createRng } from "../base/rng.ts";
import type { ModelConfig } from "../models/config.ts";
import { type CachedModel, createCachedModel } from "./cached-model.ts";
import { createDecoder } from "./decoder.ts";
import { goingBack, type KeyValueCache, withRoom } from "./key-value-cache.ts";
import { readPrefix } from "./prefix.ts";

const rng = createRng("near");
const ids = Array.from({ length: 1200 }, () => rng.int(50));

describe.each(nearModels)("%s", (_, changes) => {
  const model = randomLlama(changes);
  let wanted: readonly Float32Array[];
  beforeAll(async () => {
    wanted = await fullLogits(model, ids);
  });

  async function feedTo(cached: CachedModel, from: number, end: number, piece: number): Promise<void> {
    for (let at = from; at < end; at += piece) {
      const next = Math.min(at + piece, end);
      expect(distance(await cached.feed(ids.slice(at, next)), wanted[next - 1]!), `${next}`).toBeLessThan(1e-5);
    }
  }

  test("1,200 tokens give the logits of a cache of all of them, in pieces and one by one", async () => {
    await using cached = await createCachedModel(model, { threads: 1 });
    await feedTo(cached, 0, 700, 100);
    await feedTo(cached, 700, 1000, 1);
    await feedTo(cached, 1000, 1200, 37);
  });

  test("a sequence goes back as far as is remembered; further back it is read anew; both give the same", async () => {
    await using cached = await createCachedModel(model, { threads: 1 });
    await cached.feed(ids.slice(0, 1000));
    await cached.feed(ids.slice(1000, 1100));
    const near = 1100 - goingBack + 100;
    expect(cached.rewind(ids.slice(0, near), { reuse: true })).toBe(near);
    await feedTo(cached, near, near + 3, 1);
    expect(cached.rewind(ids.slice(0, 200), { reuse: true })).toBe(0);
    await feedTo(cached, 0, 303, 101);
  });

  test("behind a prefix longer than what is kept: the same logits, and again from the prefix on", async () => {
    const prefix = await readPrefix(model, { tokens: ids.slice(0, 300) }, { threads: 1 });
    await using cached = await createCachedModel(model, { threads: 1, prefix });
    await feedTo(cached, 300, 900, 150);
    await feedTo(cached, 900, 903, 1);
    expect(cached.rewind(ids.slice(300, 310), { reuse: true })).toBe(0);
    await feedTo(cached, 300, 309, 3);
  });

  test("continuations longer than what is remembered are scored as by themselves", async () => {
    await using decoder = await createDecoder(model, { threads: 1 });
    const answers = [ids.slice(300, 900), ids.slice(500, 503)];
    const [, short] = await decoder.score(ids.slice(0, 300), answers);
    const [alone] = await decoder.score(ids.slice(0, 300), answers.slice(1), { reusePrefix: false });
    expect(Math.abs(short! - alone!)).toBeLessThan(1e-4);
  });
});

/** Bytes of a cache that reads so many positions, 256 at a time. */
function bytesOf(config: ModelConfig, positions: number, forgets: boolean): number {
  let cache: KeyValueCache | undefined;
  for (let held = 0; held < positions; held += 256)
    cache = withRoom(cache, config, { positions: held + 256, held, forgets });
  const tensors = [...Object.values(cache!.past), ...Object.values(cache!.inputs)];
  return tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
}

test("with five windows of 512 to one full layer, 8,192 positions take a third of the memory, and no more windows later", () => {
  const { config } = randomLlama({ layers: 6, context: 16384, windows: [512, 512, 512, 512, 512, 0] });
  const all = bytesOf(config, 8192, false);
  const near = bytesOf(config, 8192, true);
  console.info(`8,192 positions: ${all} bytes for all, ${near} bytes`);
  expect(near).toBeLessThan(all / 3);
  const perPosition = 2 * 4 * config.kvHeads * config.headDim;
  expect(bytesOf(config, 12_288, true) - near).toBeLessThanOrEqual(perPosition * (4096 + 5 * 320));
});
