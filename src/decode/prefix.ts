/** @file What stands in front of the tokens: keys and values of positions that no token of the sequence takes. */
import { compile } from "#runtime";
import { AppError } from "../base/errors.ts";
import type { ModelConfig } from "../models/config.ts";
import { type FrozenModel, frozenParts, frozenSources } from "../models/frozen-model.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { intTensor, type Tensor, tensor, zeros } from "../runtime/tensor.ts";
import { cacheNames, decoderGraph, nearNames } from "./graph.ts";
import { type KeyValueCache, withRoom } from "./key-value-cache.ts";

export type Prefix = {
  readonly positions: number;
  /** Where the first token behind it stands; left out, at `positions`. Later, where it was read behind something that is no longer there. */
  readonly next?: number;
  /** Per layer, as attention reads them (keys with their positions turned in): (kvHeads, positions, headDim). */
  readonly layers: readonly { readonly k: Float32Array; readonly v: Float32Array }[];
};

/** Tokens, or embeddings (positions, hidden) as the model's table has them: of no token, where they were learnt. */
export type PrefixSource = { readonly tokens: readonly number[] } | { readonly embeddings: Float32Array };

/**
 * The keys and values of a prefix, computed once.
 * @throws E_ARCHITECTURE as `requireKeys`; E_LIMIT for none, or more than the context; E_SHAPE for embeddings of another width; E_NAN where they are not finite
 */
export async function readPrefix(
  model: FrozenModel,
  source: PrefixSource,
  options: Pick<CompileOptions, "threads" | "device"> = {},
): Promise<Prefix> {
  const { config } = model;
  requireKeys(config, "prefix");
  const { positions, feeds } =
    "tokens" in source ? tokenFeeds(source.tokens, config) : embeddingFeeds(source.embeddings, config);
  if (positions < 1 || positions > config.context)
    throw new AppError("E_LIMIT", `prefix: expected 1…${config.context} positions (the context), found ${positions}`);
  const reads = "tokens" in source ? "tokens" : "embeddings";
  await using session = await compile(decoderGraph(config, frozenParts(model), { reads }), {
    weights: frozenSources(model),
    ...options,
  });
  const { past, present } = withRoom(undefined, config, { positions, held: 0 });
  const ends = { last: intTensor([1], [positions - 1]), total: intTensor([], [positions]) };
  const numbers = {
    positions: intTensor(
      [1, positions],
      Array.from({ length: positions }, (_, i) => i),
    ),
    rows: intTensor([1], [positions - 1]),
    ...ends,
    [nearNames.last]: ends.last,
    [nearNames.total]: ends.total,
  };
  const results = await session.run(
    { ...past, ...feeds, ...numbers },
    { ...present, logits: zeros("f32", [1, config.vocab]) },
  );
  const layers = Array.from({ length: config.layers }, (_, layer) => {
    const { presentK, presentV } = cacheNames(layer);
    return { k: firstPositions(results[presentK]!, positions), v: firstPositions(results[presentV]!, positions) };
  });
  return { positions, layers };
}

type Read = { readonly positions: number; readonly feeds: Readonly<Record<string, Tensor>> };

function tokenFeeds(tokens: readonly number[], { vocab }: ModelConfig): Read {
  const unknown = tokens.find((id) => !Number.isInteger(id) || id < 0 || id >= vocab);
  if (unknown !== undefined) throw new AppError("E_LIMIT", `token id: expected 0…${vocab - 1}, found ${unknown}`);
  return { positions: tokens.length, feeds: { tokens: intTensor([1, tokens.length], tokens) } };
}

function embeddingFeeds(embeddings: Float32Array, { hidden }: ModelConfig): Read {
  const positions = embeddings.length / hidden;
  if (!Number.isInteger(positions))
    throw new AppError(
      "E_SHAPE",
      `prefix: expected embeddings of ${hidden} numbers each, found ${embeddings.length} in all`,
    );
  if (!embeddings.every(Number.isFinite))
    throw new AppError("E_NAN", "prefix: expected finite embeddings, found one that is not");
  return { positions, feeds: { embeddings: tensor("f32", [1, positions, hidden], embeddings) } };
}

/** (1, kvHeads, room, headDim) → (kvHeads, positions, headDim) */
function firstPositions({ data, shape }: Tensor, positions: number): Float32Array {
  const [, heads, room, headDim] = shape as [number, number, number, number];
  const kept = new Float32Array(heads * positions * headDim);
  for (let head = 0; head < heads; head++) {
    const from = head * room * headDim;
    kept.set((data as Float32Array).subarray(from, from + positions * headDim), head * positions * headDim);
  }
  return kept;
}

/** The position of the first token behind a prefix. */
export const behindPrefix = (prefix: Prefix | undefined): number => prefix?.next ?? prefix?.positions ?? 0;

/** Throws E_ARCHITECTURE for a model with layers that convolve: what stands in front is more than keys and values there. */
export function requireKeys({ convolution, modelType }: ModelConfig, what: string): void {
  if (convolution?.layers.includes(true))
    throw new AppError(
      "E_ARCHITECTURE",
      `${what}: expected a model whose layers all have keys and values, found ${modelType} with layers that convolve`,
    );
}

/** Throws E_SHAPE for a prefix of another model, E_ARCHITECTURE as `requireKeys`, E_LIMIT where it leaves no room. */
export function requirePrefix(prefix: Prefix, config: ModelConfig, capacity: number): void {
  requireKeys(config, "prefix");
  const { positions, layers } = prefix;
  const size = config.kvHeads * positions * config.headDim;
  if (layers.length !== config.layers || layers.some(({ k, v }) => k.length !== size || v.length !== size))
    throw new AppError("E_SHAPE", `prefix: expected ${config.layers} layers of ${size} keys and values, found others`);
  const next = behindPrefix(prefix);
  if (next < positions || next >= capacity)
    throw new AppError(
      "E_LIMIT",
      `prefix: expected ${positions}…${capacity - 1} positions (below the capacity) before the first token, found ${next}`,
    );
}

/** A cache that holds a prefix, with room for `room` positions. */
export function prefixCache({ positions, layers }: Prefix, config: ModelConfig, room: number): KeyValueCache {
  const cache = withRoom(undefined, config, { positions: room, held: 0 });
  const { kvHeads, headDim } = config;
  for (const [layer, { k, v }] of layers.entries()) {
    const { pastK, pastV } = cacheNames(layer);
    for (const [name, values] of [
      [pastK, k],
      [pastV, v],
    ] as const) {
      const { data, shape } = cache.past[name]!;
      for (let head = 0; head < kvHeads; head++)
        (data as Float32Array).set(
          values.subarray(head * positions * headDim, (head + 1) * positions * headDim),
          head * shape[2]! * headDim,
        );
    }
  }
  return cache;
}
