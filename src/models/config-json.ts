/** @file A model's shape from what a `config.json` says, checked by its architecture, and back. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";
import { architectures } from "./architectures/index.ts";
import type { ModelConfig, ModelType } from "./config.ts";

const File = z.looseObject({ model_type: z.string(), text_config: z.unknown().optional() });
const TextConfig = z.looseObject({ model_type: z.string() });

/**
 * The shape of a model; of one with more senses, that of its text model (`text_config`). `where` names the file in errors.
 * @throws E_ARCHITECTURE, E_FORMAT, E_CONFIG
 */
export function parseModelConfig(where: string, json: unknown): ModelConfig {
  const file = checkSchema(json, File, { what: where });
  if (isKnown(file.model_type)) return architectures[file.model_type].parseConfig(where, json);
  if (file.text_config == null) throw unknownType(`${where}: model_type "${file.model_type}"`);
  const what = `${where}: text_config`;
  const text = checkSchema(file.text_config, TextConfig, { what });
  if (!isKnown(text.model_type))
    throw unknownType(`${what}: model_type "${text.model_type}" of a "${file.model_type}"`);
  // What the wrapper says about all of it holds for the text where that says nothing.
  const inherited = ["tie_word_embeddings", "bos_token_id", "eos_token_id"].filter((key) => Object.hasOwn(file, key));
  const whole = { ...Object.fromEntries(inherited.map((key) => [key, file[key]])), ...text };
  return architectures[text.model_type].parseConfig(what, whole);
}

const isKnown = (type: string): type is ModelType => Object.hasOwn(architectures, type);

const unknownType = (what: string): AppError =>
  new AppError("E_ARCHITECTURE", `${what} is not supported; expected one of: ${Object.keys(architectures).join(", ")}`);

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
