/** @file Gemma: scaled embeddings, norms whose gains are stored less one, GeGLU, heads of a size of their own. */
import { z } from "zod";
import { checkSchema } from "../../base/json.ts";
import { attentionMaps, requireVariant, resolveRotary, rotaryJson, rotaryKeys, sharedKeys } from "../config-keys.ts";
import { type Architecture, llamaLike } from "./architecture.ts";

/** Old files say "gelu" and mean the tanh form, as transformers and llama.cpp read them. */
const geluName = z.enum(["gelu_pytorch_tanh", "gelu"]).nullish();

export const gemmaKeys = {
  ...sharedKeys({ context: 8192, tied: true }),
  ...rotaryKeys,
  hidden_act: geluName,
  hidden_activation: geluName,
  attention_bias: z.boolean().default(false),
  use_bidirectional_attention: z.boolean().nullish(),
};

const GemmaFile = z.object(gemmaKeys);

/** What both generations have. */
export const gemmaLike = {
  ...llamaLike,
  scalesEmbeddings: true,
  norm: "rmsPlusOne",
  activation: "gelu",
} as const;

export const gemma: Architecture = {
  ...gemmaLike,
  className: "GemmaForCausalLM",
  parseConfig(where, json) {
    const file = checkSchema(json, GemmaFile, { what: where });
    requireVariant(where, "use_bidirectional_attention", file.use_bidirectional_attention ?? false, false);
    const biased = file.attention_bias ? attentionMaps : [];
    return { ...resolveRotary("gemma", where, file, { kvHeads: 16, headDim: 256 }), windows: [], biased };
  },
  configJson: (config) => ({
    ...rotaryJson(config),
    hidden_act: "gelu_pytorch_tanh",
    hidden_activation: "gelu_pytorch_tanh",
    attention_bias: config.biased.includes("q"),
  }),
};
