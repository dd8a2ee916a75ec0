/** @file Qwen 3: Qwen 2.5 with a norm on each head of q and k, heads of a size of their own, and no biases. */
import { z } from "zod";
import { checkSchema } from "../../base/json.ts";
import { attentionMaps, resolveRotary } from "../config-keys.ts";
import { type Architecture, llamaLike } from "./architecture.ts";
import { qwenJson, qwenKeys, qwenWindows } from "./qwen2.ts";

const Qwen3File = z.object({ ...qwenKeys, attention_bias: z.boolean().default(false) });

export const qwen3: Architecture = {
  ...llamaLike,
  className: "Qwen3ForCausalLM",
  headNorms: { q: "self_attn.q_norm", k: "self_attn.k_norm" },
  parseConfig(where, json) {
    const file = checkSchema(json, Qwen3File, { what: where });
    const biased = file.attention_bias ? attentionMaps : [];
    return { ...resolveRotary("qwen3", where, file, { headDim: 128 }), windows: qwenWindows(where, file), biased };
  },
  configJson: (config) => ({ ...qwenJson(config), attention_bias: config.biased.includes("q") }),
};
