/** @file The graph of a decoder: new tokens over a key–value cache, logits of chosen rows only. */
import { flattenRows, gather, input } from "../graph/build.ts";
import { simplify } from "../graph/simplify.ts";
import type { Graph, Node } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { embed, forwardCached, type LayerCache, logits } from "../models/decoder.ts";
import { convolves } from "../models/parameters.ts";
import { denseParts, frozenWeights, type Parts } from "../nn/parts.ts";

/** Names of a layer's cache: fed as the past, returned as the present. */
export const cacheNames = (layer: number) =>
  ({
    pastK: `past.${layer}.k`,
    pastV: `past.${layer}.v`,
    presentK: `present.${layer}.k`,
    presentV: `present.${layer}.v`,
  }) as const;

/** The same of a layer that convolves. */
export const inputNames = (layer: number) =>
  ({ past: `past.${layer}.inputs`, present: `present.${layer}.inputs` }) as const;

/** What is kept of every position: (heads, positions, width). */
export type CacheEntry = {
  readonly past: string;
  readonly present: string;
  readonly heads: number;
  readonly width: number;
  /** Keys and values are added in place by the graph. What convolutions read is handed over, and the last of it is fed. */
  readonly isInPlace: boolean;
  /** How many positions before a token it reads of the entry; undefined: all. */
  readonly reach: number | undefined;
};

/** The cache of a model, layer by layer. */
export function cacheEntries(config: ModelConfig): CacheEntry[] {
  const { layers, kvHeads, headDim, hidden, windows } = config;
  return Array.from({ length: layers }, (_, layer): CacheEntry[] => {
    if (convolves(config, layer))
      return [{ ...inputNames(layer), heads: 1, width: hidden, isInPlace: false, reach: inputsRead(config) }];
    const { pastK, pastV, presentK, presentV } = cacheNames(layer);
    const window = windows[layer] ?? 0;
    const keys = { heads: kvHeads, width: headDim, isInPlace: true, reach: window > 0 ? window - 1 : undefined };
    return [
      { past: pastK, present: presentK, ...keys },
      { past: pastV, present: presentV, ...keys },
    ];
  }).flat();
}

/** What layers with a window have in place of `last` and `total`: their cache may hold the last positions alone. */
export const nearNames = { last: "near.last", total: "near.total" } as const;

/** How many positions before the first new one a convolution reads. */
export const inputsRead = ({ convolution }: Pick<ModelConfig, "convolution">): number => (convolution?.width ?? 1) - 1;

/**
 * Prefill and decoding in one graph; weights are bound by their checkpoint names.
 *
 * Inputs: `tokens`, `positions` (batch, time) i64: the new tokens and where they stand; `rows` (rows) i64: which of the batch·time
 * positions need logits; `last` (batch) i64: the index of each row's last position; `total` () i64: valid positions after this step;
 * `near.last`, `near.total`, the same for layers with a window, where there are any;
 * and `past.i.k`, `past.i.v` (batch, kvHeads, room, headDim), with a window of as many positions as there is room for in them; of a layer that convolves `past.i.inputs` (batch, width − 1, hidden).
 * With `reads: "embeddings"` these are read in place of tokens: (batch, time, hidden) f32, as a model's table has them.
 * Outputs: `logits` (rows, vocab), and `present.i.k`, `present.i.v`, which may be the very memory of the past;
 * `present.i.inputs` (batch, time, hidden) are those of the new tokens alone.
 */
export function decoderGraph(
  config: ModelConfig,
  parts: Parts = denseParts(frozenWeights()),
  { reads = "tokens" }: { readonly reads?: "tokens" | "embeddings" } = {},
): Graph {
  const embedded =
    reads === "embeddings"
      ? input("embeddings", ["batch", "time", config.hidden])
      : embed(config, parts, input("tokens", ["batch", "time"], "i64"));
  const positions = input("positions", ["batch", "time"], "i64");
  const rows = input("rows", ["rows"], "i64");
  const past = Array.from({ length: config.layers }, (_, layer): LayerCache => {
    const { pastK, pastV } = cacheNames(layer);
    const room = (config.windows[layer] ?? 0) > 0 ? "near_room" : "room";
    const cacheShape = ["batch", config.kvHeads, room, config.headDim];
    return convolves(config, layer)
      ? { inputs: input(inputNames(layer).past, ["batch", inputsRead(config), config.hidden]) }
      : { k: input(pastK, cacheShape), v: input(pastV, cacheShape) };
  });
  const cache = {
    past,
    last: input("last", ["batch"], "i64"),
    total: input("total", [], "i64"),
    near: { last: input(nearNames.last, ["batch"], "i64"), total: input(nearNames.total, [], "i64") },
  };
  const { hidden, present } = forwardCached(config, parts, embedded, positions, cache);
  const found = logits(config, parts, gather(flattenRows(hidden), rows));
  return simplify({ outputs: { logits: found, ...presentOutputs(present) } });
}

/** What layers leave to later tokens, under the names of the cache. */
export function presentOutputs(present: readonly LayerCache[]): Record<string, Node> {
  const outputs: Record<string, Node> = {};
  for (const [layer, found] of present.entries()) {
    const { presentK, presentV } = cacheNames(layer);
    if ("inputs" in found) outputs[inputNames(layer).present] = found.inputs;
    else [outputs[presentK], outputs[presentV]] = [found.k, found.v];
  }
  return outputs;
}
