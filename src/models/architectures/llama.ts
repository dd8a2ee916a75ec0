/** @file Llama 1, 2 and 3, TinyLlama and all that is built like them: RMSNorm, rotary positions, grouped-query attention, SwiGLU. */
import { z } from "zod";
import { checkSchema } from "../../base/json.ts";
import type { ModelConfig } from "../config.ts";
import { attentionMaps, feedForwardMaps, resolveRotary, rotaryJson, rotaryKeys, sharedKeys } from "../config-keys.ts";
import { type Architecture, llamaLike } from "./architecture.ts";

export const llamaKeys = {
  ...sharedKeys({ context: 2048, tied: false }),
  ...rotaryKeys,
  hidden_act: z.literal("silu").default("silu"),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
};

const LlamaFile = z.object(llamaKeys);

/** The maps to which a file gives a bias. */
export const biasedMaps = (file: { readonly attention_bias: boolean; readonly mlp_bias: boolean }) => [
  ...(file.attention_bias ? attentionMaps : []),
  ...(file.mlp_bias ? feedForwardMaps : []),
];

/** What `llamaKeys` reads, beyond what all architectures share. */
export const llamaJson = (config: ModelConfig): Record<string, unknown> => ({
  ...rotaryJson(config),
  hidden_act: "silu",
  attention_bias: config.biased.includes("q"),
  mlp_bias: config.biased.includes("gate"),
});

export const llama: Architecture = {
  ...llamaLike,
  className: "LlamaForCausalLM",
  parseConfig(where, json) {
    const file = checkSchema(json, LlamaFile, { what: where });
    return { ...resolveRotary("llama", where, file), windows: [], biased: biasedMaps(file) };
  },
  configJson: llamaJson,
};
