import { expect, test } from "vitest";
import { fullLogits, randomLlama } from "../../test/support/random-llama.ts";
import { createCachedModel } from "./cached-model.ts";
import { createDecoder } from "./decoder.ts";
import { type PrefixSource, readPrefix } from "./prefix.ts";

const model = randomLlama({ kvHeads: 2 });
const { config } = model;
const convolving = randomLlama({
  modelType: "lfm2",
  layers: 3,
  convolution: { width: 4, layers: [true, false, true] },
});
const before = [7, 3, 11, 30, 2];
const promptIds = [1, 17, 4];

/** The rows of the embedding table: what the tokens themselves would be. */
function embeddingsOf({ weights }: typeof model, ids: readonly number[]): Float32Array {
  const table = (weights["model.embed_tokens.weight"] as { data: Float32Array }).data;
  return Float32Array.from(ids.flatMap((id) => [...table.subarray(id * config.hidden, (id + 1) * config.hidden)]));
}

test.each<[string, typeof model, readonly number[], PrefixSource]>([
  ["keys and values of tokens", model, before, { tokens: before }],
  ["embeddings", model, before, { embeddings: embeddingsOf(model, before) }],
  ["what convolutions read of tokens", convolving, before, { tokens: before }],
  ["what they read of fewer than they reach", convolving, [7], { embeddings: embeddingsOf(convolving, [7]) }],
])(
  "%s in front give the logits and the answers of the tokens themselves, across rewinding and growth",
  async (_, model, front, source) => {
    const prefix = await readPrefix(model, source, { threads: 1 });
    expect(prefix.positions).toBe(front.length);
    await using cached = await createCachedModel(model, { threads: 1, prefix });
    expect(cached.capacity).toBe(config.context - front.length);
    const wanted = (await fullLogits(model, [...front, ...promptIds])).at(-1)!;
    for (let round = 0; round < 2; round++) {
      cached.rewind([], { reuse: false });
      const logits = await cached.feed(promptIds);
      logits.forEach((value, i) => {
        expect(Math.abs(value - wanted[i]!)).toBeLessThan(1e-5);
      });
    }
    await using plain = await createDecoder(model, { threads: 1 });
    await using prefixed = await createDecoder(model, { threads: 1, prefix });
    const options = { maxTokens: 100, stopIds: [] };
    const { ids } = await plain.generate([...front, ...promptIds], options);
    expect((await prefixed.generate(promptIds, options)).ids).toEqual(ids);
    expect(await prefixed.score(promptIds, [[4, 5]])).toEqual([
      expect.closeTo((await plain.score([...front, ...promptIds], [[4, 5]]))[0]!, 4),
    ]);
  },
);

test("a prefix that is none, too long, of another model or not finite is refused", async () => {
  const prefix = await readPrefix(model, { tokens: before }, { threads: 1 });
  await expect(createCachedModel(model, { prefix, capacity: 5 })).rejects.toMatchObject({ code: "E_LIMIT" });
  for (const other of [randomLlama({ layers: 3 }), convolving])
    await expect(createCachedModel(other, { prefix })).rejects.toMatchObject({ code: "E_SHAPE" });
  for (const [source, code] of [
    [{ tokens: [] }, "E_LIMIT"],
    [{ tokens: new Array<number>(config.context + 1).fill(1) }, "E_LIMIT"],
    [{ tokens: [config.vocab] }, "E_LIMIT"],
    [{ embeddings: new Float32Array(config.hidden + 1) }, "E_SHAPE"],
    [{ embeddings: new Float32Array(config.hidden).fill(Number.NaN) }, "E_NAN"],
  ] as const)
    await expect(readPrefix(model, source)).rejects.toMatchObject({ code });
});
