import { expect, test } from "vitest";
import type { BatchModel } from "./batch-model.ts";
import { createBatcher, type Sequence } from "./batcher.ts";
import { pieceTokens } from "./slots.ts";

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

test("what a sequence gets stays its own while the next step of the round is computed", async () => {
  const vocab = 2;
  const logits = new Float32Array(2 * vocab); // one buffer for all steps, as the real model has
  const answer = (rows: number, value: number) => {
    logits.fill(value);
    return Promise.resolve(logits.subarray(0, rows * vocab));
  };
  const model: BatchModel = {
    room: 8,
    makeRoom: () => undefined,
    prefill: (rows) => answer(rows.length, 1),
    extend: () => answer(1, 2),
    decode: (rows) => answer(rows.length, 3),
    move: () => undefined,
    save: () => ({ positions: 0, values: [] }),
    load: () => undefined,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const batcher = createBatcher(model, { slots: 2, capacity: 8, vocab });
  const start = () => batcher.start({ gates: new Float32Array(0), positions: 4 });
  const [early, late] = [start(), start()];
  await early.feed([0]);
  await new Promise((done) => setImmediate(done)); // the round ends
  /** Whoever waits through functions of its own looks at the logits some time after they are there. */
  async function lookLater(logits: Promise<Float32Array>): Promise<number[]> {
    const found = await logits;
    for (let i = 0; i < 100; i++) await undefined;
    return [...found];
  }
  expect(await Promise.all([lookLater(late.feed([0])), lookLater(early.feed([1]))])).toEqual([
    [1, 1],
    [3, 3],
  ]);
  await batcher.close();
});

test("a sequence that takes a slot while a step waits for its turn does not count in that step", async () => {
  const vocab = 2;
  const seen: number[][] = [];
  const answer = (rows: number) => Promise.resolve(new Float32Array(rows * vocab));
  const model: BatchModel = {
    room: 8,
    makeRoom: () => undefined,
    prefill: (rows) => answer(rows.length),
    extend: () => answer(1),
    decode(rows, held) {
      seen.push([...held]);
      return answer(rows.length);
    },
    move: () => undefined,
    save: (_, positions) => ({ positions, values: [] }),
    load: () => undefined,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  let meanwhile: () => void = () => undefined;
  const inTurn = async <T>(step: () => Promise<T>): Promise<T> => {
    await undefined;
    meanwhile();
    return step();
  };
  const batcher = createBatcher(model, { slots: 2, capacity: 8, vocab, inTurn });
  const start = () => batcher.start({ gates: new Float32Array(0), positions: 4 });
  const [stays, parked] = [start(), start()];
  await Promise.all([stays.feed([0]), parked.feed([0, 1])]);
  await new Promise((done) => setImmediate(done)); // the round ends
  parked.park();
  let isBack = false;
  meanwhile = () => {
    if (!isBack) parked.unpark();
    isBack = true;
  };
  await stays.feed([1]);
  expect([isBack, seen]).toEqual([true, [[1]]]);
  await batcher.close();
});

test("what came first is read first: those that come later take lower slots and do not stand in front", async () => {
  const order: number[] = [];
  const model: BatchModel = {
    room: 2 * pieceTokens,
    makeRoom: () => undefined,
    prefill: async (rows) => {
      order.push(...rows.map(({ gates }) => gates[0]!));
      return new Float32Array(rows.length);
    },
    extend: async () => new Float32Array(1),
    decode: async (rows) => new Float32Array(rows.length),
    move: () => undefined,
    save: () => ({ positions: 0, values: [] }),
    load: () => undefined,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const batcher = createBatcher(model, { slots: 3, capacity: 2 * pieceTokens, vocab: 1 });
  const prompt = new Array<number>(pieceTokens).fill(0); // one of them fills a step
  let next = 0;
  async function answer(): Promise<void> {
    const sequence = batcher.start({ gates: Float32Array.of(next++), positions: pieceTokens + 1 });
    await sequence.feed(prompt);
    sequence.close();
    if (next < 8) await answer();
  }
  await Promise.all([answer(), answer(), answer()]);
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].slice(0, order.length));
  expect(order.length).toBeGreaterThanOrEqual(8);
  await batcher.close();
});

test.each([
  [false, [1, 1]],
  [true, [2]],
])("where reading goes first (%s), what waits to be written is written together", async (readsFirst, wanted) => {
  const written: number[] = [];
  const model: BatchModel = {
    room: 8,
    makeRoom: () => undefined,
    prefill: async (rows) => new Float32Array(rows.length),
    extend: async () => new Float32Array(1),
    decode: async (rows) => {
      written.push(rows.length);
      return new Float32Array(rows.length);
    },
    move: () => undefined,
    save: () => ({ positions: 0, values: [] }),
    load: () => undefined,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const batcher = createBatcher(model, { slots: 2, capacity: 8, vocab: 1, readsFirst });
  const [early, late] = [0, 1].map(() => batcher.start({ gates: new Float32Array(0), positions: 4 })) as [
    Sequence,
    Sequence,
  ];
  await early.feed([0]);
  await new Promise((done) => setImmediate(done)); // the round ends
  async function answer(): Promise<void> {
    await late.feed([0]);
    for (let i = 0; i < 100; i++) await undefined; // it asks on through functions of its own
    await late.feed([0]);
  }
  await Promise.all([early.feed([0]), answer()]);
  expect(written).toEqual(wanted);
  await batcher.close();
});
