/** @file What stands in front of the tokens: keys and values, and what convolutions read last, of positions that no token of the sequence takes. */
import { compile } from "#runtime";
import { AppError } from "../base/errors.ts";
import type { ModelConfig } from "../models/config.ts";
import { type FrozenModel, frozenParts, frozenSources } from "../models/frozen-model.ts";
import { convolves } from "../models/parameters.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { floats, intTensor, type Tensor, tensor, zeros } from "../runtime/tensor.ts";
import { cacheNames, decoderGraph, inputNames, inputsRead, nearNames } from "./graph.ts";
import { type KeyValueCache, lastInputs, lastRows, withRoom } from "./key-value-cache.ts";

export type Prefix = {
  readonly positions: number;
  /** Where the first token behind it stands; left out, at `positions`. Later, where it was read behind something that is no longer there. */
  readonly next?: number;
  readonly layers: readonly PrefixLayer[];
};

export type PrefixLayer =
  /** As attention reads them (keys with their positions turned in): (kvHeads, positions, headDim). */
  | { readonly k: Float32Array; readonly v: Float32Array }
  /** What a convolution reads of the last positions, as many as it still reads: (prefixInputs, hidden). Before the first position are zeros. */
  | { readonly inputs: Float32Array };

/** How many positions of a prefix convolutions read behind it. */
export const prefixInputs = (config: ModelConfig, positions: number): number => Math.min(positions, inputsRead(config));

/** Tokens, or embeddings (positions, hidden) as the model's table has them: of no token, where they were learnt. */
export type PrefixSource = { readonly tokens: readonly number[] } | { readonly embeddings: Float32Array };

/**
 * What a prefix is in each layer, computed once.
 * @throws E_LIMIT for none, or more than the context; E_SHAPE for embeddings of another width; E_NAN where they are not finite
 */
export async function readPrefix(
  model: FrozenModel,
  source: PrefixSource,
  options: Pick<CompileOptions, "threads" | "device"> = {},
): Promise<Prefix> {
  const { config } = model;
  const { positions, feeds } =
    "tokens" in source ? tokenFeeds(source.tokens, config) : embeddingFeeds(source.embeddings, config);
  if (positions < 1 || positions > config.context)
    throw new AppError("E_LIMIT", `prefix: expected 1…${config.context} positions (the context), found ${positions}`);
  const reads = "tokens" in source ? "tokens" : "embeddings";
  await using session = await compile(decoderGraph(config, frozenParts(model), { reads }), {
    weights: frozenSources(model),
    ...options,
  });
  const cache = withRoom(undefined, config, { positions, held: 0 });
  const { past, present } = cache;
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
    { ...past, ...lastInputs(cache, config, 0), ...feeds, ...numbers },
    { ...present, logits: zeros("f32", [1, config.vocab]) },
  );
  const layers = Array.from({ length: config.layers }, (_, layer): PrefixLayer => {
    if (convolves(config, layer)) {
      const read = floats(results[inputNames(layer).present]);
      return {
        inputs: lastRows(read, config.hidden, { held: positions, count: prefixInputs(config, positions) }),
      };
    }
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

/** Throws E_SHAPE for a prefix of another model, E_LIMIT where it leaves no room. */
export function requirePrefix(prefix: Prefix, config: ModelConfig, capacity: number): void {
  const { positions, layers } = prefix;
  const size = config.kvHeads * positions * config.headDim;
  const fits = (layer: PrefixLayer, i: number): boolean =>
    convolves(config, i)
      ? "inputs" in layer && layer.inputs.length === prefixInputs(config, positions) * config.hidden
      : "k" in layer && layer.k.length === size && layer.v.length === size;
  if (layers.length !== config.layers || !layers.every(fits))
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
  for (const [layer, values] of layers.entries()) {
    if ("inputs" in values) {
      const { length } = values.inputs;
      cache.inputs[inputNames(layer).past]!.data.set(values.inputs, positions * config.hidden - length);
      continue;
    }
    const { pastK, pastV } = cacheNames(layer);
    for (const [name, kept] of [
      [pastK, values.k],
      [pastV, values.v],
    ] as const) {
      const { data, shape } = cache.past[name]!;
      for (let head = 0; head < kvHeads; head++)
        (data as Float32Array).set(
          kept.subarray(head * positions * headDim, (head + 1) * positions * headDim),
          head * shape[2]! * headDim,
        );
    }
  }
  return cache;
}
