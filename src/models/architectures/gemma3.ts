/** @file Gemma 3: Gemma 2 with norms on the heads of q and k, five windows to one full layer, and rotary bases by kind of layer. */
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { checkSchema } from "../../base/json.ts";
import {
  attentionMaps,
  factor,
  requireVariant,
  resolveRotary,
  resolveWindows,
  rotaryJson,
  theta,
  windowJson,
  windowKeys,
} from "../config-keys.ts";
import type { Architecture } from "./architecture.ts";
import { gemmaKeys } from "./gemma.ts";
import { gemma2 } from "./gemma2.ts";

const rotary = z.looseObject({ rope_theta: theta.optional() });
const period = z.int().min(1).max(1024);

const Gemma3File = z.object({
  ...gemmaKeys,
  ...windowKeys,
  // Files of models with more senses leave these out.
  num_attention_heads: gemmaKeys.num_attention_heads.default(8),
  vocab_size: gemmaKeys.vocab_size.default(262208),
  max_position_embeddings: gemmaKeys.max_position_embeddings.default(131072),
  sliding_window: windowKeys.sliding_window.default(4096),
  sliding_window_pattern: period.optional(),
  _sliding_window_pattern: period.optional(),
  query_pre_attn_scalar: factor.default(256),
  attn_logit_softcapping: factor.nullish(),
  final_logit_softcapping: factor.nullish(),
  /** Of layers with a window, as old files say it. */
  rope_local_base_freq: theta.default(10000),
  /** By kind of layer, as new files say it. */
  rope_parameters: z.object({ full_attention: rotary.nullish(), sliding_attention: rotary.nullish() }).nullish(),
});

const bases = { full: 1e6, window: 10000 };

export const gemma3: Architecture = {
  ...gemma2,
  className: "Gemma3ForCausalLM",
  headNorms: { q: "self_attn.q_norm", k: "self_attn.k_norm" },
  parseConfig(where, json) {
    const file = checkSchema(json, Gemma3File, { what: where });
    requireVariant(where, "use_bidirectional_attention", file.use_bidirectional_attention ?? false, false);
    const { rope_parameters: kinds, rope_local_base_freq: local, num_hidden_layers: layers } = file;
    if (file.sliding_window === null && file.layer_types == null)
      throw new AppError("E_CONFIG", `${where}: sliding_window is null, and no layer_types say that no layer has one`);
    const every = file.sliding_window_pattern ?? file._sliding_window_pattern ?? 6;
    const { ropeTheta, ropeScaling } = resolveRotary(
      "gemma3_text",
      where,
      { ...file, rope_scaling: undefined, rope_theta: local, rope_parameters: kinds?.sliding_attention },
      { kvHeads: 4, headDim: 256, theta: bases.window },
    );
    return {
      ...resolveRotary(
        "gemma3_text",
        where,
        { ...file, rope_parameters: kinds?.full_attention },
        { kvHeads: 4, headDim: 256, theta: bases.full },
      ),
      windowRotary: { theta: ropeTheta, scaling: ropeScaling },
      windows: resolveWindows(where, file, layers, (i) => (i + 1) % every !== 0),
      biased: file.attention_bias ? attentionMaps : [],
      queryScalar: file.query_pre_attn_scalar,
      attentionCap: file.attn_logit_softcapping ?? 0,
      logitCap: file.final_logit_softcapping ?? 0,
    };
  },
  configJson(config) {
    const { rope_theta, rope_scaling, ...keys } = rotaryJson(config);
    const full = { rope_type: "default", ...(rope_scaling as object | undefined), rope_theta };
    const { theta: ropeTheta, scaling } = config.windowRotary ?? { theta: config.ropeTheta, scaling: undefined };
    const local = rotaryJson({ ...config, ropeTheta, ropeScaling: scaling });
    const window = { rope_type: "default", ...(local["rope_scaling"] as object | undefined), rope_theta: ropeTheta };
    return {
      ...keys,
      layer_types: Array.from({ length: config.layers }, () => "full_attention"),
      ...windowJson(config),
      rope_parameters: { full_attention: full, sliding_attention: window },
      // As transformers before 5 reads them, and llama.cpp's converter.
      rope_theta,
      rope_local_base_freq: ropeTheta,
      hidden_activation: "gelu_pytorch_tanh",
      attention_bias: config.biased.includes("q"),
      query_pre_attn_scalar: config.queryScalar ?? config.headDim,
      attn_logit_softcapping: config.attentionCap || null,
      final_logit_softcapping: config.logitCap || null,
    };
  },
};
