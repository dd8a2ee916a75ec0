/** @file The graph of a decoder: new tokens over a key–value cache, logits of chosen rows only. */
import { flattenRows, gather, input } from "../graph/build.ts";
import { simplify } from "../graph/simplify.ts";
import type { Graph, Node } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { embed, forwardCached, logits } from "../models/decoder.ts";
import { denseParts, frozenWeights, type Parts } from "../nn/parts.ts";

/** Names of a layer's cache: fed as the past, returned as the present. */
export const cacheNames = (layer: number) =>
  ({
    pastK: `past.${layer}.k`,
    pastV: `past.${layer}.v`,
    presentK: `present.${layer}.k`,
    presentV: `present.${layer}.v`,
  }) as const;

/**
 * Prefill and decoding in one graph; weights are bound by their checkpoint names.
 *
 * Inputs: `tokens`, `positions` (batch, time) i64: the new tokens and where they stand; `rows` (rows) i64: which of the batch·time
 * positions need logits; `last` (batch) i64: the index of each row's last position; `total` () i64: valid positions after this step;
 * and `past.i.k`, `past.i.v` (batch, kvHeads, room, headDim).
 * With `reads: "embeddings"` these are read in place of tokens: (batch, time, hidden) f32, as a model's table has them.
 * Outputs: `logits` (rows, vocab), and `present.i.k`, `present.i.v`, which may be the very memory of the past.
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
  const layers = Array.from({ length: config.layers }, (_, layer) => cacheNames(layer));
  const cacheShape = ["batch", config.kvHeads, "room", config.headDim];
  const cache = {
    past: layers.map(({ pastK, pastV }) => ({ k: input(pastK, cacheShape), v: input(pastV, cacheShape) })),
    last: input("last", ["batch"], "i64"),
    total: input("total", [], "i64"),
  };
  const { hidden, present } = forwardCached(config, parts, embedded, positions, cache);
  const outputs: Record<string, Node> = { logits: logits(config, parts, gather(flattenRows(hidden), rows)) };
  layers.forEach(({ presentK, presentV }, layer) => {
    outputs[presentK] = present[layer]!.k;
    outputs[presentV] = present[layer]!.v;
  });
  return simplify({ outputs });
}
