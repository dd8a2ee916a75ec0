/** @file A model with its key–value cache: new tokens in, logits out. One sequence at a time. */
import { compile } from "#runtime";
import { AppError } from "../base/errors.ts";
import { type FrozenModel, frozenParts, frozenSources } from "../models/frozen-model.ts";
import type { Parts } from "../nn/parts.ts";
import type { CompileOptions, Feeds, WeightSource } from "../runtime/session.ts";
import { floats, intTensor, type Tensor, tensor, zeros } from "../runtime/tensor.ts";
import { decoderGraph, nearNames } from "./graph.ts";
import { canGoBack, keepInputs, lastInputs, restarted, withRoom } from "./key-value-cache.ts";
import { behindPrefix, type Prefix, prefixCache, requirePrefix } from "./prefix.ts";

export type CachedModelOptions = Pick<CompileOptions, "threads" | "device"> & {
  /** Positions a sequence may have; at most the model's context, which is also the default. Memory is taken as they are used. */
  readonly capacity?: number;
  readonly change?: StepChange;
  /** Stands in front of every sequence, and takes up its positions of the capacity. */
  readonly prefix?: Prefix | undefined;
};

/** A change of a model's linear maps that is steered from outside while it decodes. */
export type StepChange = {
  readonly wrap: (parts: Parts) => Parts;
  /** What the change reads beside the model's own weights. */
  readonly weights: Readonly<Record<string, WeightSource>>;
  /** Fed with every step; their values may be overwritten between steps, after which the cache is no longer true: rewind it. */
  readonly feeds: Feeds;
  /** Whether `feeds` are overwritten between the questions of an evaluation, so that one session answers as many models. */
  readonly steered?: boolean;
};

export type CachedModel = AsyncDisposable & {
  /** Behind the prefix, where there is one. */
  readonly capacity: number;
  /**
   * Makes `ids` the sequence fed so far: what the cache shares with them is kept, unless `reuse` is off. Returns how many are held: none where
   * that lies further back than layers with a window remember.
   */
  rewind(ids: readonly number[], options: { readonly reuse: boolean }): number;
  /** Feeds tokens behind those held. Returns the last one's logits (vocab), valid until the next call. */
  feed(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array>;
  /** The same with the logits of every token: (n, vocab). */
  feedAll(ids: readonly number[]): Promise<Float32Array>;
  close(): Promise<void>;
};

/** Longer inputs are fed in pieces: attention scores take heads · piece · total numbers, and an abort is noticed between pieces. */
const pieceLength = 512;

/**
 * Compiles a model for decoding.
 *
 * The cache lives in the caller's memory and is both fed and written into: GroupQueryAttention sees past and present at one address and
 * adds the new keys and values in place. It takes a batch of one where many tokens follow a cache that is not empty. Where a session keeps
 * that memory on its device, it is made for all positions at once: growing it would need it back. Elsewhere layers with a window, and those
 * that convolve, hold little more than they still read.
 * @throws E_LIMIT where `capacity` does not fit the context
 */
export async function createCachedModel(
  model: FrozenModel,
  { capacity = model.config.context, change, prefix, ...options }: CachedModelOptions = {},
): Promise<CachedModel> {
  const { config } = model;
  if (!Number.isInteger(capacity) || capacity < 1 || capacity > config.context)
    throw new AppError("E_LIMIT", `cache capacity: expected 1…${config.context} (the context), found ${capacity}`);
  const before = prefix?.positions ?? 0;
  const room = capacity - behindPrefix(prefix);
  if (prefix !== undefined) requirePrefix(prefix, config, capacity);
  const parts = frozenParts(model);
  const session = await compile(decoderGraph(config, change?.wrap(parts) ?? parts), {
    weights: { ...frozenSources(model), ...change?.weights },
    ...options,
  });
  let cache = prefix && prefixCache(prefix, config, session.keepsState ? capacity : before);
  const oneRow = zeros("f32", [1, config.vocab]);
  const held: number[] = [];
  const feedsOf = createStepFeeds(behindPrefix(prefix) - before);
  const forgets = !session.keepsState;

  async function run(ids: readonly number[], allRows: boolean): Promise<Float32Array> {
    requireTokens(ids, config.vocab);
    if (held.length + ids.length > room)
      throw new AppError("E_LIMIT", `cache: expected at most ${room} tokens, found ${held.length + ids.length}`);
    const positions = session.keepsState ? capacity : before + held.length + ids.length;
    const first = before + held.length;
    cache = withRoom(cache, config, { positions, held: first, forgets });
    const { past, present, near } = cache;
    const into = allRows && ids.length > 1 ? present : { ...present, logits: oneRow };
    const results = await session.run(
      { ...past, ...lastInputs(cache, config, first), ...change?.feeds, ...feedsOf(ids, first, near.from, allRows) },
      into,
    );
    keepInputs(cache, config, first, results);
    for (const id of ids) held.push(id);
    return floats(results["logits"]);
  }

  async function close(): Promise<void> {
    cache = undefined;
    await session.close();
  }
  return {
    capacity: room,
    rewind(ids, { reuse }) {
      let shared = 0;
      if (reuse) while (shared < held.length && shared < ids.length && held[shared] === ids[shared]) shared++;
      if (cache !== undefined && !canGoBack(cache, config, before + shared)) {
        cache = prefix === undefined ? restarted(cache) : prefixCache(prefix, config, before);
        shared = 0;
      }
      held.length = shared;
      return shared;
    },
    async feed(ids, signal) {
      let logits = floats(oneRow);
      for (let from = 0; from < ids.length && signal?.aborted !== true; from += pieceLength)
        logits = await run(ids.slice(from, from + pieceLength), false);
      return logits;
    },
    feedAll: (ids) => run(ids, true),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function requireTokens(ids: readonly number[], vocab: number): void {
  for (const id of ids)
    if (!Number.isInteger(id) || id < 0 || id >= vocab)
      throw new AppError("E_LIMIT", `token id: expected 0…${vocab - 1}, found ${id}`);
}

/** What a step reads beside the cache: tokens behind `held` others, and which rows' logits are wanted. */
type StepFeeds = (
  ids: readonly number[],
  held: number,
  nearFrom: number,
  allRows: boolean,
) => Readonly<Record<string, Tensor>>;

/**
 * The small inputs of steps, of which those of one token are kept and overwritten: valid until the next call.
 * @param shift how much later tokens stand than they lie in the cache
 */
function createStepFeeds(shift: number): StepFeeds {
  const last = intTensor([1], [0]);
  const total = intTensor([], [0]);
  const [nearLast, nearTotal] = [intTensor([1], [0]), intTensor([], [0])];
  const ends = { last, total, [nearNames.last]: nearLast, [nearNames.total]: nearTotal };
  const single = {
    tokens: intTensor([1, 1], [0]),
    positions: intTensor([1, 1], [0]),
    rows: intTensor([1], [0]),
    ...ends,
  };
  return (ids, held, nearFrom, allRows) => {
    const end = held + ids.length;
    last.data[0] = BigInt(end - 1);
    total.data[0] = BigInt(end);
    nearLast.data[0] = BigInt(end - 1 - nearFrom);
    nearTotal.data[0] = BigInt(end - nearFrom);
    if (ids.length === 1) {
      single.tokens.data[0] = BigInt(ids[0]!);
      single.positions.data[0] = BigInt(held + shift);
      return single;
    }
    const shape = [1, ids.length];
    const rows = allRows ? countFrom(0, [ids.length]) : intTensor([1], [ids.length - 1]);
    return { tokens: intTensor(shape, ids), positions: countFrom(held + shift, shape), rows, ...ends };
  };
}

function countFrom(first: number, shape: readonly number[]): Tensor<"i64"> {
  const data = new BigInt64Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < data.length; i++) data[i] = BigInt(first + i);
  return tensor("i64", shape, data);
}
