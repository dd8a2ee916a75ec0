/** @file Granite 3: Llama whose embeddings, blocks, scores and logits are multiplied by numbers of its configuration. */
import { z } from "zod";
import { checkSchema } from "../../base/json.ts";
import { factor, resolveRotary } from "../config-keys.ts";
import { type Architecture, llamaLike } from "./architecture.ts";
import { biasedMaps, llamaJson, llamaKeys } from "./llama.ts";

const multiplier = factor.default(1);

const GraniteFile = z.object({
  ...llamaKeys,
  embedding_multiplier: multiplier,
  residual_multiplier: multiplier,
  attention_multiplier: multiplier,
  /** Logits are divided by it. */
  logits_scaling: multiplier,
});

export const granite: Architecture = {
  ...llamaLike,
  className: "GraniteForCausalLM",
  parseConfig(where, json) {
    const file = checkSchema(json, GraniteFile, { what: where });
    return {
      ...resolveRotary("granite", where, file),
      windows: [],
      biased: biasedMaps(file),
      multipliers: {
        embedding: file.embedding_multiplier,
        residual: file.residual_multiplier,
        attention: file.attention_multiplier,
        logitDivisor: file.logits_scaling,
      },
    };
  },
  configJson: (config) => ({
    ...llamaJson(config),
    embedding_multiplier: config.multipliers?.embedding ?? 1,
    residual_multiplier: config.multipliers?.residual ?? 1,
    attention_multiplier: config.multipliers?.attention ?? 1 / Math.sqrt(config.queryScalar ?? config.headDim),
    logits_scaling: config.multipliers?.logitDivisor ?? 1,
  }),
};
