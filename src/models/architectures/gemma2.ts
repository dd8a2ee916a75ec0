/** @file Gemma 2: Gemma with norms around both blocks, soft caps on scores and logits, and a window in every other layer. */
import { z } from "zod";
import { checkSchema } from "../../base/json.ts";
import {
  attentionMaps,
  factor,
  requireVariant,
  resolveRotary,
  resolveWindows,
  rotaryJson,
  windowJson,
  windowKeys,
} from "../config-keys.ts";
import type { Architecture } from "./architecture.ts";
import { gemmaKeys, gemmaLike } from "./gemma.ts";

const cap = (usual: number) => factor.nullable().default(usual);

const Gemma2File = z.object({
  ...gemmaKeys,
  ...windowKeys,
  sliding_window: windowKeys.sliding_window.default(4096),
  query_pre_attn_scalar: factor.default(256),
  attn_logit_softcapping: cap(50),
  final_logit_softcapping: cap(30),
});

export const gemma2: Architecture = {
  ...gemmaLike,
  className: "Gemma2ForCausalLM",
  norms: {
    beforeAttention: "input_layernorm",
    afterAttention: "post_attention_layernorm",
    beforeFeedForward: "pre_feedforward_layernorm",
    afterFeedForward: "post_feedforward_layernorm",
    last: "model.norm",
  },
  parseConfig(where, json) {
    const file = checkSchema(json, Gemma2File, { what: where });
    requireVariant(where, "use_bidirectional_attention", file.use_bidirectional_attention ?? false, false);
    return {
      ...resolveRotary("gemma2", where, file, { kvHeads: 4, headDim: 256 }),
      windows: resolveWindows(where, file, file.num_hidden_layers, (i) => i % 2 === 0),
      biased: file.attention_bias ? attentionMaps : [],
      queryScalar: file.query_pre_attn_scalar,
      attentionCap: file.attn_logit_softcapping ?? 0,
      logitCap: file.final_logit_softcapping ?? 0,
    };
  },
  configJson: (config) => ({
    ...rotaryJson(config),
    ...windowJson(config),
    hidden_activation: "gelu_pytorch_tanh",
    attention_bias: config.biased.includes("q"),
    query_pre_attn_scalar: config.queryScalar ?? config.headDim,
    attn_logit_softcapping: config.attentionCap || null,
    final_logit_softcapping: config.logitCap || null,
  }),
};
