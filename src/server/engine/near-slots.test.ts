/** @file Slots of layers that see a window, or convolve, keep what is still read: long requests get the answers of a cache of everything. */
import { beforeAll, describe, expect, test } from "vitest";
import { nearModels } from "../../../test/support/near-models.ts";
import { distance } from "../../../test/support/numeric.ts";
import { randomLlama } from "../../../test/support/random-llama.ts";
import { createRng } from "../../base/rng.ts";
import { createDecoder } from "../../decode/decoder.ts";
import { slotLayout } from "../../decode/slots.ts";
import { createPlainEngine, type Engine, type EngineRequest } from "./engine.ts";

const rng = createRng("slots");
const draw = (count: number) => Array.from({ length: count }, () => rng.int(50));
const shared = draw(350);
/** Longer and shorter than what is kept; two with one beginning. */
const requests: readonly EngineRequest[] = [
  { ids: [...shared, ...draw(280)], prefixTokens: 350 },
  { ids: draw(20) },
  { ids: draw(400), tenant: "other" },
  { ids: [...shared, ...draw(3)], prefixTokens: 350 },
].map((request) => ({ ...request, maxTokens: 70, stopIds: [] }));

describe.each(nearModels)("%s", (_, changes) => {
  const model = randomLlama(changes);
  /** Of each request the tokens of the answer, and all logits behind one another. */
  let wanted: Awaited<ReturnType<typeof ask>>[];

  async function ask({ ask: answer }: Pick<Engine, "ask">, request: EngineRequest) {
    const logits: number[] = [];
    const { ids } = await answer({ ...request, onToken: ({ logits: row }) => void logits.push(...row!) });
    return { ids, logits: Float32Array.from(logits) };
  }

  beforeAll(async () => {
    await using decoder = await createDecoder(model, { threads: 1, reusePrefix: false });
    wanted = [];
    for (const request of requests)
      wanted.push(await ask({ ask: ({ ids, ...options }) => decoder.generate(ids, options) }, request));
  });

  test("requests in one batch, set aside and taken up again, get the answers of a decoder, each time the same bits", async () => {
    const cacheBytes = 2.2 * slotLayout(model.config).bytesOf(640);
    await using engine = await createPlainEngine(model, { threads: 1, cacheBytes });
    const together = await Promise.all(requests.map((request) => ask(engine, request)));
    expect(together.map(({ ids }) => ids)).toEqual(wanted.map(({ ids }) => ids));
    for (const [i, { logits }] of together.entries()) expect(distance(logits, wanted[i]!.logits)).toBeLessThan(1e-4);
    for (const [i, request] of requests.entries()) expect(await ask(engine, request), `${i}`).toEqual(together[i]);
    const { parks, prefixTokensReused } = engine.state();
    expect(parks).toBeGreaterThan(0);
    expect(prefixTokensReused).toBeGreaterThanOrEqual(700);
  });
});

test("with five windows of 512 to one full layer, a slot of 8,192 positions takes a third of the memory", () => {
  const five = { layers: 6, context: 16384, windows: [512, 512, 512, 512, 512, 0] };
  const [all, near] = [{ ...five, windows: [] }, five].map((changes) =>
    slotLayout(randomLlama(changes).config).bytesOf(8192),
  ) as [number, number];
  console.info(`8,192 positions of a slot: ${all} bytes for all, ${near} bytes`);
  expect(near).toBeLessThan(all / 3);
});
