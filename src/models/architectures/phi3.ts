/** @file Phi 3, 3.5 and 4 mini: Llama with q, k, v in one tensor, gate and up in another; heads turned in part; positions stretched by longrope. */
import { z } from "zod";
import { checkSchema } from "../../base/json.ts";
import {
  normEpsilon,
  positions,
  resolveRotary,
  resolveWindows,
  rotaryJson,
  rotaryKeys,
  sharedKeys,
  windowJson,
  windowKeys,
} from "../config-keys.ts";
import { type Architecture, llamaLike } from "./architecture.ts";

const Phi3File = z.object({
  ...sharedKeys({ context: 4096, tied: false }),
  ...rotaryKeys,
  ...windowKeys,
  rms_norm_eps: normEpsilon.default(1e-5),
  original_max_position_embeddings: positions.default(4096),
  hidden_act: z.literal("silu").default("silu"),
});

export const phi3: Architecture = {
  ...llamaLike,
  className: "Phi3ForCausalLM",
  fused: { "self_attn.qkv_proj": ["q", "k", "v"], "mlp.gate_up_proj": ["gate", "up"] },
  parseConfig(where, json) {
    const file = checkSchema(json, Phi3File, { what: where });
    const originalContext = file.original_max_position_embeddings;
    return {
      ...resolveRotary("phi3", where, file, { partial: true, originalContext }),
      windows: resolveWindows(where, file, file.num_hidden_layers, () => true),
      biased: [],
    };
  },
  configJson: (config) => ({
    pad_token_id: null, // a default of transformers would lie beyond a small vocabulary
    ...rotaryJson(config),
    ...windowJson(config),
    partial_rotary_factor: (config.turned ?? config.headDim) / config.headDim,
    original_max_position_embeddings:
      config.ropeScaling?.type === "longrope" ? config.ropeScaling.originalContext : config.context,
    hidden_act: "silu",
  }),
};
