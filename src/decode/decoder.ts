/** @file A decoder: one compiled model with one cache that continues prompts and scores continuations. */

import type { FrozenModel } from "../models/frozen-model.ts";
import { type CachedModel, type CachedModelOptions, createCachedModel } from "./cached-model.ts";
import { type Generated, type GenerateOptions, generate } from "./generate.ts";
import { score } from "./score.ts";

export type { Generated, GenerateOptions } from "./generate.ts";

export type DecoderOptions = CachedModelOptions & {
  /** Whether the beginning a prompt shares with the sequence before is taken from the cache; on by default. */
  readonly reusePrefix?: boolean;
  /** A clock in milliseconds, for `Generated.ms`. */
  readonly now?: () => number;
};

export type Decoder = AsyncDisposable & {
  /** Positions a sequence may have: a prompt and what is generated behind it. */
  readonly capacity: number;
  /** Continues a prompt; see `GenerateOptions`. Throws E_PROMPT, E_LIMIT, E_USAGE, E_NAN. */
  generate(promptIds: readonly number[], options?: GenerateOptions): Promise<Generated>;
  /** The summed log-likelihood of each continuation behind the prompt, which is read once. Throws E_PROMPT, E_LIMIT, E_NAN. */
  score(
    promptIds: readonly number[],
    continuations: readonly (readonly number[])[],
    options?: { readonly reusePrefix?: boolean | undefined },
  ): Promise<number[]>;
  /** Waits for calls under way and gives the memory back. Idempotent. */
  close(): Promise<void>;
};

/**
 * Compiles a model for decoding. Calls take turns: a second one waits for the first.
 * @throws E_LIMIT where the capacity exceeds the context, E_NOT_FOUND where a weight has no source
 */
export async function createDecoder(
  model: FrozenModel,
  { reusePrefix = true, now = () => performance.now(), ...options }: DecoderOptions = {},
): Promise<Decoder> {
  const { between: _, ...decoder } = decoderOver(await createCachedModel(model, options), model.config, {
    reusePrefix,
    now,
  });
  return decoder;
}

/** The decoder of a compiled model; `between` does work between its calls. */
export function decoderOver(
  cached: CachedModel,
  { vocab, eosIds }: FrozenModel["config"],
  { reusePrefix = true, now = () => performance.now() }: Pick<DecoderOptions, "reusePrefix" | "now"> = {},
): Decoder & { between<T>(work: () => T): Promise<T> } {
  const defaults = { vocab, eosIds, reusePrefix, now };
  let turn: Promise<unknown> = Promise.resolve();
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = turn.then(work);
    turn = result.catch(() => undefined);
    return result;
  }
  const close = () => inTurn(cached.close);
  return {
    capacity: cached.capacity,
    generate: (promptIds, generateOptions = {}) => inTurn(() => generate(cached, promptIds, defaults, generateOptions)),
    score: (promptIds, continuations, { reusePrefix: reuse = reusePrefix } = {}) =>
      inTurn(() => score(cached, promptIds, continuations, { vocab, reuse })),
    close,
    [Symbol.asyncDispose]: close,
    between: (work) => inTurn(async () => work()),
  };
}
