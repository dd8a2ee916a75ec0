/** @file OPT: learned positions, LayerNorm, biases, and a feed-forward block of two maps with ReLU between them. */
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { checkSchema } from "../../base/json.ts";
import { attentionMaps, dimension, requireVariant, resolveShared, sharedKeys } from "../config-keys.ts";
import type { Architecture } from "./architecture.ts";

const OptFile = z.object({
  ...sharedKeys({ context: 2048, tied: true }),
  ffn_dim: dimension,
  word_embed_proj_dim: dimension.nullish(),
  do_layer_norm_before: z.boolean().default(true),
  _remove_final_layer_norm: z.boolean().default(false),
  layer_norm_elementwise_affine: z.boolean().default(true),
  activation_function: z.literal("relu").default("relu"),
  enable_bias: z.boolean().default(true),
});

export const opt: Architecture = {
  className: "OPTForCausalLM",
  embedding: "model.decoder.embed_tokens.weight",
  scalesEmbeddings: false,
  positions: { name: "model.decoder.embed_positions.weight", offset: 2 },
  layers: "model.decoder.layers",
  linear: {
    q: "self_attn.q_proj",
    k: "self_attn.k_proj",
    v: "self_attn.v_proj",
    o: "self_attn.out_proj",
    up: "fc1",
    down: "fc2",
  },
  norm: "layer",
  norms: {
    beforeAttention: "self_attn_layer_norm",
    beforeFeedForward: "final_layer_norm",
    last: "model.decoder.final_layer_norm",
  },
  activation: "relu",
  parseConfig(where, json) {
    const file = checkSchema(json, OptFile, { what: where });
    const shared = resolveShared(file);
    requireVariant(where, "word_embed_proj_dim", file.word_embed_proj_dim ?? shared.hidden, shared.hidden);
    requireVariant(where, "do_layer_norm_before", file.do_layer_norm_before, true);
    requireVariant(where, "_remove_final_layer_norm", file._remove_final_layer_norm, false);
    requireVariant(where, "layer_norm_elementwise_affine", file.layer_norm_elementwise_affine, true);
    const headDim = shared.hidden / shared.heads;
    if (!Number.isInteger(headDim))
      throw new AppError("E_CONFIG", `${where}: ${shared.heads} heads do not divide a width of ${shared.hidden}`);
    return {
      modelType: "opt",
      ...shared,
      ffn: file.ffn_dim,
      kvHeads: shared.heads,
      headDim,
      epsilon: 1e-5,
      ropeTheta: 10000,
      ropeScaling: undefined,
      windows: [],
      queryScalar: undefined,
      attentionCap: 0,
      logitCap: 0,
      biased: file.enable_bias ? [...attentionMaps, "up", "down"] : [],
    };
  },
  configJson: (config) => ({
    ffn_dim: config.ffn,
    word_embed_proj_dim: config.hidden,
    do_layer_norm_before: true,
    activation_function: "relu",
    enable_bias: config.biased.length > 0,
    dropout: 0,
  }),
};
