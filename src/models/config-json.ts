/** @file A model's shape from what a `config.json` says, checked by its architecture, and back. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";
import { architectures } from "./architectures/index.ts";
import type { ModelConfig, ModelType } from "./config.ts";

/** The shape of a model. `where` names the file in errors. Throws E_ARCHITECTURE, E_FORMAT, E_CONFIG. */
export function parseModelConfig(where: string, json: unknown): ModelConfig {
  const { model_type: type } = checkSchema(json, z.looseObject({ model_type: z.string() }), { what: where });
  if (!Object.hasOwn(architectures, type))
    throw new AppError(
      "E_ARCHITECTURE",
      `${where}: model_type "${type}" is not supported; expected one of: ${Object.keys(architectures).join(", ")}`,
    );
  return architectures[type as ModelType].parseConfig(where, json);
}

/** The `config.json` that transformers and llama.cpp read. */
export function toConfigJson(config: ModelConfig): Record<string, unknown> {
  const { className, configJson } = architectures[config.modelType];
  const { eosIds } = config;
  return {
    architectures: [className],
    model_type: config.modelType,
    hidden_size: config.hidden,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    vocab_size: config.vocab,
    max_position_embeddings: config.context,
    tie_word_embeddings: config.tied,
    bos_token_id: config.bosId ?? null,
    eos_token_id: eosIds.length === 0 ? null : eosIds.length === 1 ? eosIds[0] : eosIds,
    torch_dtype: "float32",
    ...configJson(config),
  };
}
