/**
 * @file The engine: one edge model answers requests of many specialisations, of prompts and of none, in one batch.
 *
 * A specialisation is a row of gates. What a request gets does not depend on what is computed beside it.
 */
import { AppError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import { createBatchModel, type Gating } from "../../decode/batch-model.ts";
import { type Batcher, createBatcher, type KeptPrefix, type Sequence } from "../../decode/batcher.ts";
import { type Generated, type GenerateOptions, generate, type SequenceModel } from "../../decode/generate.ts";
import { slotLayout } from "../../decode/slots.ts";
import { gateCount } from "../../generator/generations.ts";
import type { FrozenModel } from "../../models/frozen-model.ts";
import { gatedExperts, gatesLength, requirePool } from "../../pair/gated-edge.ts";
import type { EdgePair } from "../../pair/pair.ts";
import type { Specialization } from "../../pair/specialization.ts";
import { specializedEdge } from "../../pair/specialized-edge.ts";
import { createFairQueue } from "./fair-queue.ts";
import { createPrefixCache } from "./prefix-cache.ts";

export type EngineOptions = {
  readonly threads?: number;
  /** Requests that are computed at once. */
  readonly slots?: number;
  /** Requests that may wait, of all tenants and of one. */
  readonly maxWaiting?: number;
  readonly maxWaitingOfTenant?: number;
  /** Bytes of keys and values of requests under way, and of prompts kept for requests to come. */
  readonly cacheBytes?: number;
  readonly prefixBytes?: number;
  /** Tokens a request may have, its answer among them; at most the model's context, which is also the default. */
  readonly capacity?: number;
  /** A clock in milliseconds. */
  readonly now?: () => number;
};

export const engineDefaults = {
  slots: 32,
  maxWaiting: 1024,
  maxWaitingOfTenant: 256,
  cacheBytes: 2 ** 30,
  prefixBytes: 2 ** 28,
} as const;

/** Positions that a request is given beside what it has read: so many, or this share of them where that is more. */
const growth = { least: 64, share: 0.5 } as const;
/** What may be set aside for other tenants' sake, of the bytes of keys and values. */
const parkedShare = 0.5;

/** One specialisation's numbers, (L, n): what a tenant of the engine takes in memory. */
export type Gates = Float32Array;

export type EngineRequest = Omit<GenerateOptions, "reusePrefix"> & {
  readonly ids: readonly number[];
  /** None: the base model. */
  readonly gates?: Gates | undefined;
  /** So many tokens at the beginning are a prompt that other requests of the tenant begin with too. */
  readonly prefixTokens?: number | undefined;
  /** Who shares with others fairly. */
  readonly tenant?: string | undefined;
  /** When the answer is of no use any more, on the engine's clock. */
  readonly deadline?: number | undefined;
};

/** What it did since it was made, and what it does now. */
export type EngineState = {
  readonly running: number;
  /** Parked ones among them. */
  readonly waiting: number;
  /** Begun, and set aside until there is room for more of their answer. */
  readonly parked: number;
  /** How often one was set aside. */
  readonly parks: number;
  readonly steps: number;
  /** Rows of all steps: divided by steps, how many requests shared one. */
  readonly rows: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly prefixTokensReused: number;
  readonly prefixBytes: number;
  readonly pinned: number;
};

export type Engine = AsyncDisposable & {
  /**
   * Answers a request. Its result is the same whatever is asked beside it.
   * @throws E_BUSY where too many wait, E_DEADLINE where it was not done in time, E_LIMIT and E_PROMPT as `generate`
   */
  ask(request: EngineRequest): Promise<Generated>;
  /** Merges a specialisation into weights of its own, for requests with these very `gates`. Throws E_MISMATCH. */
  pin(gates: Gates, specialization: Specialization): Promise<void>;
  unpin(gates: Gates): Promise<void>;
  readonly capacity: number;
  state(): EngineState;
  /** Takes no more requests, ends those there are, and gives the memory back. Idempotent. */
  close(): Promise<void>;
};

type Job = {
  readonly request: EngineRequest;
  readonly tenant: string;
  /** Positions that it may come to have. */
  readonly positions: number;
  readonly deadline: AbortController;
};

/** What waits: a request, or one that has begun and asks for more room. */
type Turn = {
  readonly job: Job;
  readonly lane: () => Batcher;
  /** Positions that it is to have room for. */
  readonly room: number;
  /** Bytes that it holds beside the slots, and gives back when it goes on. */
  readonly keeps: number;
  /** @param isLate it is to end: it gets no slot */
  readonly begin: (isLate: boolean) => void;
};

/** Throws E_CONFIG for a pair without a pool of experts, E_LIMIT where the capacity exceeds the context. */
export async function createEngine(pair: EdgePair, options: EngineOptions = {}): Promise<Engine> {
  requirePool(pair);
  return engineOver(pair.edge, options, {
    gating: { ...gatedExperts(pair), shape: [pair.shape.edge.layers, gateCount(pair.shape)] },
    gates: gatesLength(pair),
    merged: (specialization) => specializedEdge(pair, specialization),
  });
}

/** An engine over a model as it is, without gates. Throws as `createEngine`. */
export const createPlainEngine = (model: FrozenModel, options: EngineOptions = {}): Promise<Engine> =>
  engineOver(model, options, {
    gating: undefined,
    gates: 0,
    merged: () => Promise.reject(new AppError("E_CONFIG", "pin: this model has no specialisations")),
  });

type Specialized = {
  readonly gating: Gating | undefined;
  /** How many numbers a specialisation is. */
  readonly gates: number;
  readonly merged: (specialization: Specialization) => Promise<FrozenModel>;
};

async function engineOver(
  model: FrozenModel,
  options: EngineOptions,
  { gating, gates: gateNumbers, merged }: Specialized,
): Promise<Engine> {
  const { slots, maxWaiting, maxWaitingOfTenant, cacheBytes, prefixBytes } = { ...engineDefaults, ...options };
  const { now = () => performance.now() } = options;
  const { config } = model;
  const { capacity = config.context } = options;
  if (!Number.isInteger(capacity) || capacity < 2 || capacity > config.context)
    throw new AppError("E_LIMIT", `engine capacity: expected 2…${config.context} (the context), found ${capacity}`);
  if (!Number.isInteger(slots) || slots < 1)
    throw new AppError("E_USAGE", `engine slots: expected a whole number from 1, found ${slots}`);
  const threads = options.threads === undefined ? {} : { threads: options.threads };
  const noGates = new Float32Array(gateNumbers);
  const { bytesOf, keptBytes } = slotLayout(config);
  const prefixes = createPrefixCache(prefixBytes);
  const queue = createFairQueue<Turn>();
  const running = new Set<Job>();
  /** Answers under way, by the weights that compute them. */
  const underWay = new Map<Promise<unknown>, Batcher>();
  let parkedBytes = 0;
  let parked = 0;
  const count = { parks: 0, steps: 0, rows: 0, promptTokens: 0, generatedTokens: 0, prefixTokensReused: 0 };
  let closing: Promise<void> | undefined;
  let idle: (() => void) | undefined;

  let turns: Promise<unknown> = Promise.resolve();
  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = turns.then(step);
    turns = result.catch(() => undefined);
    return result;
  }

  const batcherOptions = {
    slots,
    capacity,
    vocab: config.vocab,
    inTurn,
    onRound: expire,
    onStep: (kind: string, rows: number, tokens: number) => {
      count.steps++;
      count.rows += rows;
      if (kind !== "decode") count.promptTokens += tokens;
    },
  };
  const gated = createBatcher(await createBatchModel(model, { slots, gating, ...threads }), batcherOptions);
  const pinned = new Map<Gates, Batcher>();

  const laneOf = (gates: Gates | undefined): Batcher => (gates && pinned.get(gates)) ?? gated;

  /** Ends what is too late, and what nobody waits for any more. */
  function expire(): void {
    const isLate = ({ request }: Job): boolean => request.deadline !== undefined && now() >= request.deadline;
    for (const job of running) if (isLate(job)) job.deadline.abort();
    for (const { job, begin } of queue.remove(({ job }) => isLate(job) || job.request.signal?.aborted === true)) {
      if (isLate(job)) job.deadline.abort();
      begin(true);
    }
  }

  /**
   * Whether there is memory for a sequence with so much room beside the others. Of the weights it is on, all sequences take as much as the
   * longest.
   * @param isOpen whether it is among them already
   */
  function fits(lane: Batcher, room: number, { isOpen = false, keeps = 0 } = {}): boolean {
    let bytes = 0;
    for (const each of new Set([gated, ...pinned.values(), lane]))
      bytes +=
        each === lane
          ? (each.open + (isOpen ? 0 : 1)) * bytesOf(each.roomWith(room))
          : each.open * bytesOf(each.roomWith(0));
    return bytes + parkedBytes - keeps <= cacheBytes;
  }

  /** One alone always has room: so that there is an end to every answer. */
  const isAdmitted = ({ lane, room, keeps }: Pick<Turn, "lane" | "room" | "keeps">): boolean =>
    running.size === 0 || (running.size < slots && fits(lane(), room, { keeps }));

  function admit(): void {
    for (let next = queue.peek(); next !== undefined && isAdmitted(next); next = queue.peek()) {
      queue.take();
      running.add(next.job);
      next.begin(false);
    }
  }

  function leave(job: Job): void {
    running.delete(job);
    admit();
    if (running.size === 0) idle?.();
  }

  const roomBeside = (positions: number): number => Math.max(growth.least, Math.ceil(growth.share * positions));

  /**
   * Gives a sequence room for so many positions and some more. It is set aside where there is no memory for them beside the others, behind
   * what its tenant waits for; and where another tenant waits that has had less, before that.
   */
  async function widen(job: Job, lane: Batcher, sequence: Sequence, needed: number): Promise<void> {
    const room = Math.min(job.positions, Math.max(needed, sequence.held + roomBeside(sequence.held)));
    const cost = room - sequence.positions;
    const keeps = keptBytes(sequence.held);
    const hasRoom = running.size === 1 || fits(lane, room, { isOpen: true });
    const yields = queue.isOwed(job.tenant) && parkedBytes + keeps <= parkedShare * cacheBytes;
    if (hasRoom && !yields) {
      queue.charge(job.tenant, cost);
      sequence.widen(room);
      return;
    }
    sequence.park();
    parkedBytes += keeps;
    parked++;
    count.parks++;
    await new Promise<void>((goOn) => {
      const begin = (isLate: boolean): void => {
        parkedBytes -= keeps;
        parked--;
        if (!isLate) sequence.unpark();
        sequence.widen(room);
        goOn();
      };
      queue.push({ job, lane: () => lane, room, keeps, begin }, job.tenant, cost, hasRoom);
      leave(job);
    });
  }

  function prefixOf({ ids, prefixTokens = 0, gates, tenant = "" }: EngineRequest): KeptPrefix | undefined {
    const tokens = Math.min(prefixTokens, ids.length - 1);
    if (tokens < 1) return undefined;
    const bytes = gates === undefined ? undefined : new Uint8Array(gates.buffer, gates.byteOffset, gates.byteLength);
    const weights = bytes && [sha256(bytes), pinned.has(gates!)];
    const key = sha256(JSON.stringify([tenant, weights, ids.slice(0, tokens)]));
    const saved = prefixes.get(key);
    if (saved !== undefined) count.prefixTokensReused += tokens;
    return { tokens, saved, keep: (fresh) => prefixes.put(key, fresh) };
  }

  async function run(job: Job, room: number, isEnded: boolean): Promise<Generated> {
    const { request, deadline } = job;
    const { ids, gates = noGates, prefixTokens: _, tenant: __, deadline: ___, ...options } = request;
    const signal = options.signal === undefined ? deadline.signal : AbortSignal.any([options.signal, deadline.signal]);
    const lane = laneOf(gates);
    const sequence = isEnded ? undefined : lane.start({ gates, positions: room, prefix: prefixOf(request) });
    try {
      const defaults = { vocab: config.vocab, eosIds: config.eosIds, reusePrefix: true, now };
      const model = sequence === undefined ? endedSequence(capacity) : widening(job, lane, sequence);
      const answer = generate(model, ids, defaults, { ...options, signal });
      underWay.set(answer, lane);
      const generated = await answer.finally(() => underWay.delete(answer));
      if (deadline.signal.aborted)
        throw new AppError("E_DEADLINE", `answer: not done in time; ${generated.outputTokens} tokens were there`);
      count.generatedTokens += generated.outputTokens;
      return generated;
    } finally {
      sequence?.close();
    }
  }

  /** A sequence that asks for more room as it grows. */
  function widening(job: Job, lane: Batcher, sequence: Sequence): SequenceModel {
    return {
      capacity,
      rewind: sequence.rewind,
      async feed(ids, signal) {
        const needed = sequence.held + ids.length + 1;
        if (needed > sequence.positions) await widen(job, lane, sequence, needed);
        return signal?.aborted ? new Float32Array(0) : sequence.feed(ids, signal);
      },
    };
  }

  async function ask(request: EngineRequest): Promise<Generated> {
    const { ids, gates, maxTokens = 128, tenant = "" } = request;
    if (closing !== undefined) throw new AppError("E_BUSY", "the service is ending: it takes no more requests");
    if (gates !== undefined && gates.length !== noGates.length)
      throw new AppError("E_MISMATCH", `gates: expected ${noGates.length} numbers, found ${gates.length}`);
    if (ids.length === 0) throw new AppError("E_PROMPT", "prompt: expected at least one token, found none");
    if (ids.length > capacity)
      throw new AppError("E_LIMIT", `prompt: expected at most ${capacity} tokens, found ${ids.length}`);
    if (!(maxTokens >= 0))
      throw new AppError("E_USAGE", `maxTokens: expected a whole number from 0, found ${maxTokens}`);
    const positions = Math.min(capacity, ids.length + maxTokens) + 1;
    const room = Math.min(positions, ids.length + 1 + roomBeside(ids.length));
    const lane = () => laneOf(gates);
    const waits = queue.size > 0 || !isAdmitted({ lane, room, keeps: 0 });
    if (waits && (queue.size >= maxWaiting || queue.sizeOf(tenant) >= maxWaitingOfTenant))
      throw new AppError("E_BUSY", `${queue.size} requests are waiting already: ask again later`);
    const job: Job = { request, tenant, positions, deadline: new AbortController() };
    return new Promise((resolve) => {
      const begin = (isLate: boolean): void => {
        const answer = run(job, room, isLate);
        resolve(isLate ? answer : answer.finally(() => leave(job)));
      };
      queue.push({ job, lane, room, keeps: 0, begin }, tenant, room);
      expire();
      admit();
    });
  }

  async function unpin(gates: Gates): Promise<void> {
    const lane = pinned.get(gates);
    if (lane === undefined) return;
    pinned.delete(gates); // requests under way end on the weights they began with
    await Promise.allSettled([...underWay].flatMap(([answer, on]) => (on === lane ? [answer] : [])));
    await lane.close();
  }

  async function close(): Promise<void> {
    if (running.size > 0)
      await new Promise<void>((done) => {
        idle = done;
      });
    for (const gates of [...pinned.keys()]) await unpin(gates);
    await gated.close();
  }
  const closeOnce = (): Promise<void> => {
    closing ??= close();
    return closing;
  };

  return {
    capacity,
    ask,
    async pin(gates, specialization) {
      const own = await createBatchModel(await merged(specialization), { slots, ...threads });
      await unpin(gates);
      pinned.set(gates, createBatcher(own, batcherOptions));
    },
    unpin,
    state: () => ({
      running: running.size,
      waiting: queue.size,
      parked,
      ...count,
      prefixBytes: prefixes.bytes,
      pinned: pinned.size,
    }),
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  };
}

/** Of a request that is over before it begins. */
const endedSequence = (capacity: number): SequenceModel => ({
  capacity,
  rewind: () => 0,
  feed: async () => new Float32Array(0),
});
