/** @file A decoder's graph with the names and shapes that transformers.js and Optimum give it. */
import { cast, constant, input, size, sub, sum } from "../graph/build.ts";
import { simplify } from "../graph/simplify.ts";
import type { Graph, Node, Shape } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { convolutionState } from "../models/convolution-state.ts";
import { embed, forwardCached, type LayerCache, logits } from "../models/decoder.ts";
import { type FrozenModel, frozenParts } from "../models/frozen-model.ts";
import { convolves } from "../models/parameters.ts";

/** A layer's cache: fed as the past, returned as the present. */
export const onnxCacheNames = (layer: number) =>
  ({
    pastK: `past_key_values.${layer}.key`,
    pastV: `past_key_values.${layer}.value`,
    presentK: `present.${layer}.key`,
    presentV: `present.${layer}.value`,
  }) as const;

/** The same of a layer that convolves. */
export const onnxInputNames = (layer: number) =>
  ({ past: `past_conv.${layer}`, present: `present_conv.${layer}` }) as const;

/**
 * Inputs: `input_ids`, `position_ids` (batch, sequence) and `attention_mask` (batch, total) i64, where total is what the cache holds and
 * the sequence behind it; `past_key_values.i.key`, `.value` (batch, kvHeads, past, headDim), which are empty at first. Of a layer that
 * convolves: `past_conv.i` (batch, hidden, width), what it read last, zeros at first.
 * Outputs: `logits` (batch, sequence, vocab), `present.i.key`, `.value` (batch, kvHeads, total, headDim); `present_conv.i`.
 */
export function onnxDecoder(model: Omit<FrozenModel, "weights">): {
  readonly graph: Graph;
  readonly outputShapes: Readonly<Record<string, Shape>>;
} {
  const { config } = model;
  const parts = frozenParts(model);
  const ids = input("input_ids", ["batch_size", "sequence_length"], "i64");
  const mask = input("attention_mask", ["batch_size", "total_sequence_length"], "i64");
  const positions = input("position_ids", ["batch_size", "sequence_length"], "i64");
  const shape = (length: string) => ["batch_size", config.kvHeads, length, config.headDim];
  const held = shape("past_sequence_length");
  const states = [...Array(config.layers).keys()].map((layer) =>
    convolves(config, layer) ? convolutionState(config, onnxInputNames(layer).past) : undefined,
  );
  const past = states.map((state, layer): LayerCache => {
    const { pastK, pastV } = onnxCacheNames(layer);
    return state === undefined ? { k: input(pastK, held), v: input(pastV, held) } : { inputs: state.inputs };
  });
  const ends = {
    last: sub(cast(sum(cast(mask, "f32"), [1]), "i64"), constant(1, [], "i64")),
    total: cast(size(["total_sequence_length"]), "i64"),
  };
  const cache = { past, ...ends, near: ends };
  const { hidden, present } = forwardCached(config, parts, embed(config, parts, ids), positions, cache);
  const outputs: Record<string, Node> = { logits: logits(config, parts, hidden) };
  const outputShapes: Record<string, Shape> = {};
  for (const [layer, found] of present.entries()) {
    const { presentK, presentV } = onnxCacheNames(layer);
    if ("inputs" in found) outputs[onnxInputNames(layer).present] = states[layer]!.behind(found.inputs);
    else {
      [outputs[presentK], outputs[presentV]] = [found.k, found.v];
      outputShapes[presentK] = outputShapes[presentV] = shape("total_sequence_length");
    }
  }
  return { graph: simplify({ outputs }), outputShapes };
}

/** The `generation_config.json` beside such a model. */
export const generationConfig = ({ bosId, eosIds }: ModelConfig, padId: number): Record<string, unknown> => ({
  _from_model_config: true,
  ...(bosId === undefined ? {} : { bos_token_id: bosId }),
  ...(eosIds.length === 0 ? {} : { eos_token_id: eosIds.length === 1 ? eosIds[0] : eosIds }),
  pad_token_id: padId,
});
