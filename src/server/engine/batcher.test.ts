import { expect, test } from "vitest";
import type { BatchModel } from "./batch-model.ts";
import { createBatcher } from "./batcher.ts";

test("what fails between steps fails for those that wait, and the next request is answered", async () => {
  let fails = true;
  const vocab = 3;
  const model: BatchModel = {
    room: 8,
    makeRoom() {
      if (fails) throw new Error("no memory");
    },
    prefill: async (rows) => new Float32Array(rows.length * vocab).fill(1),
    extend: async () => new Float32Array(vocab),
    decode: async (rows) => new Float32Array(rows.length * vocab),
    move: () => undefined,
    save: () => {
      throw new Error("not asked for");
    },
    load: () => undefined,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const batcher = createBatcher(model, { slots: 2, capacity: 8, vocab });
  const start = () => batcher.start({ gates: new Float32Array(0), positions: 4 });
  const [one, two] = [start(), start()];
  const ends = await Promise.allSettled([one.feed([0]), two.feed([1])]);
  expect(ends.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  fails = false;
  expect([...(await one.feed([0]))]).toEqual([1, 1, 1]);
  await batcher.close();
});
