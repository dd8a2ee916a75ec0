/** @file Llama 1, 2 and 3, TinyLlama and all that is built like them: RMSNorm, rotary positions, grouped-query attention, SwiGLU. */
import { z } from "zod";
import { checkSchema } from "../../base/json.ts";
import { attentionMaps, feedForwardMaps, resolveRotary, rotaryJson, rotaryKeys, sharedKeys } from "../config-keys.ts";
import { type Architecture, llamaLike } from "./architecture.ts";

const LlamaFile = z.object({
  ...sharedKeys({ context: 2048, tied: false }),
  ...rotaryKeys,
  hidden_act: z.literal("silu").default("silu"),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
});

export const llama: Architecture = {
  ...llamaLike,
  className: "LlamaForCausalLM",
  parseConfig(where, json) {
    const file = checkSchema(json, LlamaFile, { what: where });
    const biased = [...(file.attention_bias ? attentionMaps : []), ...(file.mlp_bias ? feedForwardMaps : [])];
    return { ...resolveRotary("llama", where, file), windows: [], biased };
  },
  configJson: (config) => ({
    ...rotaryJson(config),
    hidden_act: "silu",
    attention_bias: config.biased.includes("q"),
    mlp_bias: config.biased.includes("gate"),
  }),
};
