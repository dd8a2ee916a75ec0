/** @file Many requests in one batch: each gets what it gets alone. */
import { createHash } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { openTinyPair, specializationOf } from "../../../test/support/tiny-pair.ts";
import { createRng, type Rng } from "../../base/rng.ts";
import { compileConstraint } from "../../constraint/compile.ts";
import { labelsSpec, schemaSpec } from "../../constraint/spec.ts";
import { createDecoder } from "../../decode/decoder.ts";
import { quantizations } from "../../models/quantized/layout.ts";
import { gateValues } from "../../pair/gated-edge.ts";
import type { Pair } from "../../pair/pair-file.ts";
import type { Specialization } from "../../pair/specialization.ts";
import { specializedEdge } from "../../pair/specialized-edge.ts";
import { encodeConversation } from "../../text/prompt.ts";
import { createEngine, type Engine, type EngineOptions, type EngineRequest } from "./engine.ts";

let pair: Pair;
beforeAll(async () => {
  pair = await openTinyPair();
});

const open = (options: EngineOptions = {}, of = pair): Promise<Engine> => createEngine(of, { threads: 1, ...options });

/** Two random gates in every layer. */
function randomSpecialization(rng: Rng, of = pair): Specialization {
  const { layers } = of.shape.edge;
  const gates = Array.from({ length: layers }, () => {
    const row = [0, 0, 0, 0];
    row[rng.int(4)]! += rng.next();
    row[rng.int(4)]! += rng.next();
    return row;
  });
  return specializationOf(of, gates);
}

type Asked = { readonly request: EngineRequest; readonly seed?: number };

/** The tokens of an answer, and the bits of all logits that they were chosen from. */
async function traceOf(engine: Engine, { request, seed }: Asked) {
  const hash = createHash("sha256");
  const { ids, text, finish, confidence } = await engine.ask({
    ...request,
    ...(seed === undefined ? {} : { rng: createRng(seed) }),
    onToken: ({ logits }) =>
      hash.update(logits === undefined ? "forced" : new Uint8Array(Float32Array.from(logits).buffer)),
  });
  return { ids, text, finish, confidence, logits: hash.digest("hex") };
}

/** Requests of every kind: specialised, prompted and of the base model; free and constrained; greedy and drawn; with stops. */
function mixedRequests(of: Pair): Asked[] {
  const rng = createRng("mixed");
  const { tokenizer, layout } = of;
  const words = "where is my parcel please pay the bill now or cancel it and tell me why".split(" ");
  const sentence = (most: number) => Array.from({ length: 1 + rng.int(most) }, () => rng.pick(words)).join(" ");
  const shared = "Answer in one word, whatever the user says.";
  return Array.from({ length: 24 }, (_, i): Asked => {
    const prompt = i % 4 === 1 ? (i % 8 === 1 ? shared : sentence(40)) : undefined;
    const ids = encodeConversation(tokenizer, layout, { prompt, history: [], input: sentence(i % 6 === 0 ? 60 : 12) });
    const gates = i % 4 === 1 || i % 12 === 4 ? undefined : gateValues(of, randomSpecialization(rng));
    const spec = i % 5 === 2 ? labelsSpec(["refund", "billing question", "delivery"]) : schemaSpec({ type: "boolean" });
    const constraint = i % 5 === 2 || i % 5 === 4 ? compileConstraint(tokenizer, layout, spec) : undefined;
    const base = { ids, gates, maxTokens: 1 + rng.int(9), tokenizer, prefixTokens: prompt === undefined ? 0 : 8 };
    const restricted = constraint && {
      constraint: constraint.next,
      stopIds: [...of.edge.config.eosIds, ...constraint.stopIds],
      confidenceTemperature: 1,
    };
    const drawn = i % 3 === 0 ? { temperature: 0.9, topP: 0.95 } : {};
    const stops = i % 7 === 0 ? { stopStrings: ["e"] } : {};
    return { request: { ...base, ...restricted, ...drawn, ...stops }, ...(i % 3 === 0 ? { seed: i } : {}) };
  });
}

async function alone(asked: readonly Asked[], of = pair) {
  await using engine = await open({}, of);
  const traces: Awaited<ReturnType<typeof traceOf>>[] = [];
  for (const each of asked) traces.push(await traceOf(engine, each));
  return traces;
}

/** What `mixedRequests` get alone: asked once for all tests. */
let aloneOnce: ReturnType<typeof alone> | undefined;
const mixedAlone = (): ReturnType<typeof alone> => {
  aloneOnce ??= alone(mixedRequests(pair));
  return aloneOnce;
};

async function together(asked: readonly Asked[], options: EngineOptions = {}, of = pair) {
  await using engine = await open(options, of);
  const traces = await Promise.all(asked.map((each) => traceOf(engine, each)));
  return { traces, state: engine.state() };
}

/** The requests whose answer is not, bit for bit, what they get alone. */
const others = (found: readonly object[], wanted: readonly object[]): number[] =>
  found.flatMap((trace, i) => (JSON.stringify(trace) === JSON.stringify(wanted[i]) ? [] : [i]));

describe("whatever shares the batch", () => {
  test.each([1, 5, 24])("with %i slots every answer is, bit for bit, the one it gets alone", async (slots) => {
    const asked = mixedRequests(pair);
    const { traces, state } = await together(asked, { slots });
    expect(others(traces, await mixedAlone())).toEqual([]);
    if (slots === 24) expect(state.rows / state.steps).toBeGreaterThan(3);
  });

  test("so it is over int4 weights", async () => {
    const quantized = await openTinyPair({}, { quantize: { edge: quantizations.int4 } });
    const asked = mixedRequests(quantized);
    expect(others((await together(asked, {}, quantized)).traces, await alone(asked, quantized))).toEqual([]);
  });

  test("two rows that were swapped are found", async () => {
    const asked = mixedRequests(pair);
    const swapped = asked.map((each, i) => {
      const from = i === 2 ? 6 : i === 6 ? 2 : i;
      return { ...each, request: { ...each.request, gates: asked[from]!.request.gates } };
    });
    expect(others((await together(swapped)).traces, await mixedAlone())).toEqual([2, 6]);
  });

  test.each(["pool", "svf"] as const)("answers are those of a decoder of the merged model (%s)", async (generation) => {
    const rng = createRng("merged");
    const of = generation === "pool" ? pair : await openTinyPair({ generator: { generation } });
    const requests = Array.from({ length: generation === "pool" ? 6 : 3 }, () => ({
      specialization: randomSpecialization(rng, of),
      ids: Array.from({ length: 2 + rng.int(30) }, () => rng.int(200)),
    }));
    await using engine = await open({}, of);
    const found = await Promise.all(
      requests.map(({ specialization, ids }) =>
        engine.ask({ ids, gates: gateValues(of, specialization), maxTokens: 8, stopIds: [] }),
      ),
    );
    for (const [i, { specialization, ids }] of requests.entries()) {
      await using decoder = await createDecoder(await specializedEdge(of, specialization), { threads: 1 });
      expect(found[i]!.ids).toEqual((await decoder.generate(ids, { maxTokens: 8, stopIds: [] })).ids);
    }
  });
});

describe("prompts", () => {
  const asked = (input: string, tenant = "a"): EngineRequest => {
    const prompt = "Say what the customer wants, in one word and nothing else.";
    const ids = encodeConversation(pair.tokenizer, pair.layout, { prompt, history: [], input });
    return { ids, prefixTokens: 14, maxTokens: 4, tenant };
  };

  test("a prompt that comes again is not read again, and changes no bit", async () => {
    await using engine = await open();
    const cold = await traceOf(engine, { request: asked("pay my bill") });
    expect(engine.state().prefixTokensReused).toBe(0);
    const hot = await traceOf(engine, { request: asked("pay my bill") });
    expect(engine.state().prefixTokensReused).toBe(14);
    expect(hot).toEqual(cold);
  });

  test("what one tenant's prompt left is not used for another", async () => {
    await using engine = await open();
    await engine.ask(asked("pay my bill"));
    await engine.ask(asked("pay my bill", "b"));
    expect(engine.state().prefixTokensReused).toBe(0);
  });
});

describe("pinned weights", () => {
  test("answer as gates do, and go on to the end where they are let go of", async () => {
    const specialization = randomSpecialization(createRng("pinned"));
    const gates = gateValues(pair, specialization);
    await using engine = await open();
    const request = { ids: [5, 9, 30, 2], gates, maxTokens: 12, stopIds: [] };
    const before = await engine.ask(request);
    await engine.pin(gates, specialization);
    expect(engine.state().pinned).toBe(1);
    const during = engine.ask(request);
    await engine.unpin(gates);
    expect((await during).ids).toEqual(before.ids);
    expect(engine.state().pinned).toBe(0);
  });
});

describe("more than can be done", () => {
  const request = { ids: [4, 8, 15], maxTokens: 6, stopIds: [] };

  test("beyond the queue a request is refused, and those in it are answered", async () => {
    await using engine = await open({ slots: 1, maxWaiting: 2 });
    const asked = Array.from({ length: 4 }, () => engine.ask(request));
    const ends = await Promise.allSettled(asked);
    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
    await expect(asked[3]).rejects.toMatchObject({ code: "E_BUSY" });
  });

  test("one tenant's queue leaves room for another's", async () => {
    await using engine = await open({ slots: 1, maxWaitingOfTenant: 1 });
    const first = [0, 1].map(() => engine.ask({ ...request, tenant: "a" }));
    await expect(engine.ask({ ...request, tenant: "a" })).rejects.toMatchObject({ code: "E_BUSY" });
    await expect(engine.ask({ ...request, tenant: "b" })).resolves.toMatchObject({ finish: "length" });
    await Promise.all(first);
  });

  test("an answer that is late is not given: neither one that waits nor one under way", async () => {
    let time = 0;
    await using engine = await open({ slots: 1, now: () => time });
    const long = { ids: [4, 8, 15], maxTokens: 200, stopIds: [] };
    let tokens = 0;
    const onToken = () => {
      if (++tokens === 3) time = 100;
    };
    const late = [engine.ask({ ...long, deadline: 50, onToken }), engine.ask({ ...long, deadline: 60 })];
    const inTime = engine.ask({ ...request, deadline: 1000 });
    await Promise.all(late.map((each) => expect(each).rejects.toMatchObject({ code: "E_DEADLINE" })));
    expect(await inTime).toMatchObject({ finish: "length" });
    expect(tokens).toBeLessThan(6);
  });

  test("a request that is called off ends at once and leaves its slot", async () => {
    await using engine = await open({ slots: 2 });
    const controller = new AbortController();
    let tokens = 0;
    const onToken = () => {
      if (++tokens === 2) controller.abort();
    };
    const answer = await engine.ask({ ids: [4], maxTokens: 200, stopIds: [], signal: controller.signal, onToken });
    expect([answer.finish, answer.ids.length]).toEqual(["aborted", 2]);
    expect(engine.state()).toMatchObject({ running: 0, waiting: 0 });
    expect(await engine.ask(request)).toMatchObject({ finish: "length" });
  });

  test("closing waits for answers under way and takes no more", async () => {
    const engine = await open({ slots: 1 });
    const asked = [engine.ask(request), engine.ask(request)];
    const closing = engine.close();
    await expect(engine.ask(request)).rejects.toMatchObject({ code: "E_BUSY" });
    expect((await Promise.all(asked)).map(({ ids }) => ids.length)).toEqual([6, 6]);
    await closing;
  });

  test("what takes more memory than there is waits for its turn", async () => {
    const { layers, kvHeads, headDim } = pair.shape.edge;
    const cacheBytes = 8 * layers * kvHeads * headDim * 25; // two requests of ten positions each, not three
    await using engine = await open({ slots: 8, cacheBytes });
    let most = 0;
    const onToken = () => {
      most = Math.max(most, engine.state().running);
    };
    await Promise.all(Array.from({ length: 5 }, () => engine.ask({ ...request, onToken })));
    expect(most).toBe(2);
  });

  test("what waits for memory is counted as what waits for a slot is", async () => {
    const { layers, kvHeads, headDim } = pair.shape.edge;
    const cacheBytes = 8 * layers * kvHeads * headDim * 12; // one request of ten positions
    await using engine = await open({ slots: 8, cacheBytes, maxWaiting: 2 });
    const ends = await Promise.allSettled(Array.from({ length: 4 }, () => engine.ask(request)));
    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
  });
});

describe("answers that may become long", () => {
  const long = { ids: [4, 8, 15], maxTokens: 200, stopIds: [] };
  const short = { ids: [4, 8, 16], maxTokens: 3, stopIds: [] };
  /** Bytes of so many positions of one sequence. */
  const bytesOf = (positions: number): number => {
    const { layers, kvHeads, headDim } = pair.shape.edge;
    return 8 * layers * kvHeads * headDim * positions;
  };
  /** Counts the tokens of an answer. */
  const counting = (request: EngineRequest) => {
    const counted = { tokens: 0 };
    return { counted, request: { ...request, onToken: () => void counted.tokens++ } };
  };

  test("take no room for what is not written: others are answered beside them", async () => {
    await using engine = await open({ slots: 8, cacheBytes: bytesOf(160) }); // long and short at their full length: 408
    const { counted, request } = counting(long);
    const answer = engine.ask(request);
    for (let i = 0; i < 3; i++) await engine.ask(short);
    expect(counted.tokens).toBeLessThan(20);
    expect((await answer).ids).toHaveLength(200);
  });

  test("are set aside where memory ends, and go on bit for bit", async () => {
    const rng = createRng("long");
    const asked = mixedRequests(pair)
      .slice(0, 10)
      .map((each, i): Asked => {
        const gates = i % 2 === 0 ? gateValues(pair, randomSpecialization(rng)) : undefined;
        return i < 6 ? each : { request: { ...long, ids: [i, ...long.ids], gates, tenant: `${i % 3}` } };
      });
    const { traces, state } = await together(asked, { slots: 6, cacheBytes: bytesOf(300) });
    expect(state.parks).toBeGreaterThan(3);
    expect(state).toMatchObject({ running: 0, waiting: 0, parked: 0 });
    expect(others(traces, await alone(asked))).toEqual([]);
  });

  test("of one tenant leave a slot to another, and end after it", async () => {
    await using engine = await open({ slots: 2 });
    const ends: string[] = [];
    const ask = async (name: string, request: EngineRequest) => {
      const { ids } = await engine.ask({ ...request, tenant: name[0] });
      ends.push(name);
      return ids;
    };
    const answers = [ask("a1", long), ask("a2", long), ask("a3", long), ask("b1", short), ask("b2", short)];
    const found = await Promise.all(answers);
    expect(ends.slice(0, 2)).toEqual(["b1", "b2"]);
    expect(found.map(({ length }) => length)).toEqual([200, 200, 200, 3, 3]);
    expect(found[0]).toEqual(found[2]);
  });

  test("are ended while they are set aside, if they are late", async () => {
    let time = 0;
    await using engine = await open({ slots: 1, now: () => time });
    const late = engine.ask({ ...long, deadline: 50, tenant: "a" });
    const onToken = () => {
      if (time === 0) expect(engine.state()).toMatchObject({ running: 1, parked: 1 });
      time = 100;
    };
    const other = engine.ask({ ...short, onToken, tenant: "b" });
    await expect(late).rejects.toMatchObject({ code: "E_DEADLINE" });
    expect((await other).ids).toHaveLength(3);
    expect(engine.state()).toMatchObject({ running: 0, waiting: 0, parked: 0, parks: 1 });
  });

  test("set aside, end on the pinned weights they began with", async () => {
    const specialization = randomSpecialization(createRng("pinned"));
    const gates = gateValues(pair, specialization);
    await using engine = await open({ slots: 1 });
    await engine.pin(gates, specialization);
    const wanted = await engine.ask({ ...long, gates });
    const answer = engine.ask({ ...long, gates, tenant: "a" });
    let unpinned: Promise<void> | undefined;
    const onToken = () => {
      unpinned ??= engine.unpin(gates);
    };
    await engine.ask({ ...short, onToken, tenant: "b" });
    expect((await answer).ids).toEqual(wanted.ids);
    await unpinned;
  });
});

test.each([
  ["no token", { ids: [] }, "E_PROMPT"],
  ["an unknown token", { ids: [4, 1e9] }, "E_LIMIT"],
  ["a prompt beyond the context", { ids: new Array<number>(300).fill(4) }, "E_LIMIT"],
  ["gates of another pair", { ids: [4], gates: new Float32Array(3) }, "E_MISMATCH"],
  ["a temperature below 0", { ids: [4], temperature: -1 }, "E_USAGE"],
])("%s is refused, and the engine goes on", async (_, request, code) => {
  await using engine = await open();
  await expect(engine.ask(request)).rejects.toMatchObject({ code });
  expect(await engine.ask({ ids: [4], maxTokens: 1, stopIds: [] })).toMatchObject({ finish: "length" });
  expect(engine.state()).toMatchObject({ running: 0, waiting: 0 });
});

test("a prompt that fills the context is answered beside others", async () => {
  const full = Array.from({ length: 256 }, (_, i) => i % 200);
  const requests = [full, [4, 8], full.slice(1), [9]].map((ids) => ({ request: { ids, maxTokens: 5, stopIds: [] } }));
  expect(others((await together(requests)).traces, await alone(requests))).toEqual([]);
});
