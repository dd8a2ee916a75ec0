/** @file A model's shape: one type for every architecture, read from the `config.json` of a Hugging Face directory. */
import { join } from "node:path";
import { z } from "zod";
import { readJsonFile } from "../base/json-file.ts";
import { architectures } from "./architectures/index.ts";
import { parseModelConfig } from "./parse-config.ts";

export { parseModelConfig } from "./parse-config.ts";

/** The architectures we know, named as their `model_type`. */
export type ModelType = "llama" | "mistral" | "qwen2" | "qwen3" | "gemma" | "gemma2" | "opt";

/** The linear maps of a layer. Where a feed-forward block has two only (OPT's fc1 and fc2), they are `up` and `down`. */
export type LinearMap = "q" | "k" | "v" | "o" | "gate" | "up" | "down";

/** How rotary frequencies are stretched beyond the context a model was first trained on. */
export type RopeScaling =
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalContext: number;
    };

export type ModelConfig = {
  readonly modelType: ModelType;
  readonly hidden: number;
  readonly ffn: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocab: number;
  readonly context: number;
  /** Of the norms. */
  readonly epsilon: number;
  /** The base of rotary frequencies; without meaning where positions are learned. */
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | undefined;
  /** By layer: how many positions a token sees, itself among them. 0 or none: all before it. */
  readonly windows: readonly number[];
  /** Scores are divided by its root; undefined: the head size. */
  readonly queryScalar: number | undefined;
  /** Attention scores x become cap · tanh(x / cap); 0: they stay as they are. */
  readonly attentionCap: number;
  /** The same for the logits. */
  readonly logitCap: number;
  /** The linear maps that add a bias. */
  readonly biased: readonly LinearMap[];
  /** Whether the embedding is also the head. */
  readonly tied: boolean;
  readonly bosId: number | undefined;
  readonly eosIds: readonly number[];
};

/** A Llama without anything special: what a configuration made by hand need not say. */
export const plainLlama = {
  modelType: "llama",
  ropeScaling: undefined,
  windows: [],
  queryScalar: undefined,
  attentionCap: 0,
  logitCap: 0,
  biased: [],
} as const satisfies Partial<ModelConfig>;

/**
 * Reads and checks `config.json`.
 * @throws E_NOT_FOUND; E_ARCHITECTURE for an unknown `model_type` or a variant we do not have; E_FORMAT for a malformed file;
 * E_CONFIG for sizes that do not fit each other
 */
export async function readModelConfig(directory: string): Promise<ModelConfig> {
  const path = join(directory, "config.json");
  return parseModelConfig(path, await readJsonFile(path, z.looseObject({})));
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
