/** @file LFM 2: gated short convolutions in place of attention in most layers, norms on the heads of q and k in the others. */
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { checkSchema } from "../../base/json.ts";
import {
  dimension,
  factor,
  normEpsilon,
  requireVariant,
  resolveRotary,
  rotaryJson,
  rotaryKeys,
  sharedKeys,
} from "../config-keys.ts";
import { type Architecture, llamaLike } from "./architecture.ts";

const Lfm2File = z.object({
  ...sharedKeys({ context: 128000, tied: true }),
  ...rotaryKeys,
  norm_eps: normEpsilon.default(1e-5),
  /** Either of two names; the second wins, as in transformers. */
  intermediate_size: dimension.optional(),
  block_ff_dim: dimension.nullish(),
  tie_embedding: z.boolean().nullish(),
  /** Whether that width is of a block without a gate, of which one with a gate has two thirds. */
  block_auto_adjust_ff_dim: z.boolean().default(true),
  block_ffn_dim_multiplier: factor.nullable().default(1),
  block_multiple_of: dimension.default(256),
  conv_bias: z.boolean().default(false),
  conv_L_cache: z.int().min(2).max(64).default(3),
  layer_types: z.array(z.string()).nullish(),
  full_attn_idxs: z.array(z.int().min(0).max(1023)).nullish(),
});
type Lfm2File = z.infer<typeof Lfm2File>;

export const lfm2: Architecture = {
  ...llamaLike,
  className: "Lfm2ForCausalLM",
  linear: {
    q: "self_attn.q_proj",
    k: "self_attn.k_proj",
    v: "self_attn.v_proj",
    o: "self_attn.out_proj",
    in: "conv.in_proj",
    out: "conv.out_proj",
    gate: "feed_forward.w1",
    up: "feed_forward.w3",
    down: "feed_forward.w2",
  },
  norms: { beforeAttention: "operator_norm", beforeFeedForward: "ffn_norm", last: "model.embedding_norm" },
  headNorms: { q: "self_attn.q_layernorm", k: "self_attn.k_layernorm" },
  taps: "conv.conv",
  parseConfig(where, json) {
    const file = checkSchema(json, Lfm2File, { what: where });
    requireVariant(where, "conv_bias", file.conv_bias, false);
    const shared = {
      ...file,
      rms_norm_eps: file.norm_eps,
      intermediate_size: feedForwardWidth(where, file),
      tie_word_embeddings: file.tie_embedding ?? file.tie_word_embeddings,
    };
    return {
      ...resolveRotary("lfm2", where, shared, { kvHeads: 8, theta: 1e6 }),
      windows: [],
      biased: [],
      convolution: { width: file.conv_L_cache, layers: convolved(where, file) },
    };
  },
  configJson: (config) => ({
    ...rotaryJson(config),
    norm_eps: config.epsilon,
    block_auto_adjust_ff_dim: false,
    conv_bias: false,
    conv_L_cache: config.convolution?.width ?? 3,
    layer_types: Array.from({ length: config.layers }, (_, i) =>
      config.convolution?.layers[i] ? "conv" : "full_attention",
    ),
  }),
};

/** By layer: whether it convolves. A file that names no layers has attention in all of them. */
function convolved(where: string, { layer_types: types, full_attn_idxs: full, num_hidden_layers: layers }: Lfm2File) {
  if (types == null) {
    const beyond = full?.find((layer) => layer >= layers);
    if (beyond !== undefined)
      throw new AppError("E_CONFIG", `${where}: full_attn_idxs: expected layers below ${layers}, found ${beyond}`);
    return Array.from({ length: layers }, (_, i) => full != null && !full.includes(i));
  }
  if (types.length !== layers)
    throw new AppError("E_CONFIG", `${where}: layer_types: expected ${layers}, found ${types.length}`);
  return types.map((type) => {
    if (type !== "conv" && type !== "full_attention")
      throw new AppError(
        "E_ARCHITECTURE",
        `${where}: layer type "${type}" is not supported; expected conv or full_attention`,
      );
    return type === "conv";
  });
}

function feedForwardWidth(where: string, file: Lfm2File): number {
  const said = file.block_ff_dim ?? file.intermediate_size;
  if (said === undefined) throw new AppError("E_FORMAT", `${where}: expected intermediate_size, found none`);
  if (!file.block_auto_adjust_ff_dim) return said;
  const step = file.block_multiple_of;
  const gated = Math.trunc((2 * said) / 3);
  const width = step * Math.ceil(Math.trunc((file.block_ffn_dim_multiplier ?? 1) * gated) / step);
  const { success } = dimension.safeParse(width);
  if (!success)
    throw new AppError("E_CONFIG", `${where}: the feed-forward width should be 1 to 2^20, found ${width} from ${said}`);
  return width;
}
