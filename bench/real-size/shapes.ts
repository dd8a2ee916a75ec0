/** @file The published shapes that are measured at full size, as their `config.json` files state them. */
import type { ModelConfig } from "../../src/models/config.ts";
import { parseModelConfig } from "../../src/models/config-json.ts";

export type RealModel = {
  readonly name: RealModelName;
  /** An edge model decodes, trains a generator and compares in all types; a cloud model reads prompts in 4 bits. */
  readonly role: "edge" | "cloud";
  readonly config: ModelConfig;
};

/** The `config.json` that tells a model of this shape from others of its architecture. */
const published = {
  "TinyLlama-1.1B": {
    model_type: "llama",
    hidden_size: 2048,
    intermediate_size: 5632,
    num_hidden_layers: 22,
    num_attention_heads: 32,
    num_key_value_heads: 4,
    vocab_size: 32000,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: false,
  },
  "Qwen2-1.5B": {
    model_type: "qwen2",
    hidden_size: 1536,
    intermediate_size: 8960,
    num_hidden_layers: 28,
    num_attention_heads: 12,
    num_key_value_heads: 2,
    vocab_size: 151936,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000,
    tie_word_embeddings: true,
  },
  "Gemma-2-2B": {
    model_type: "gemma2",
    hidden_size: 2304,
    intermediate_size: 9216,
    num_hidden_layers: 26,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    vocab_size: 256000,
    max_position_embeddings: 8192,
    sliding_window: 4096,
    query_pre_attn_scalar: 256,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
    hidden_activation: "gelu_pytorch_tanh",
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    tie_word_embeddings: true,
  },
  "OPT-2.7B": {
    model_type: "opt",
    hidden_size: 2560,
    ffn_dim: 10240,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    vocab_size: 50272,
    max_position_embeddings: 2048,
    word_embed_proj_dim: 2560,
    do_layer_norm_before: true,
    activation_function: "relu",
    tie_word_embeddings: true,
  },
  "Llama-3-8B": {
    model_type: "llama",
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    vocab_size: 128256,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    tie_word_embeddings: false,
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export type RealModelName = keyof typeof published;
export const realModelNames = Object.keys(published) as RealModelName[];
const cloudName: RealModelName = "Llama-3-8B";

/** The sizes of --quick: the same architectures, small enough for seconds. */
const small = {
  hidden_size: 128,
  intermediate_size: 352,
  ffn_dim: 352,
  word_embed_proj_dim: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  query_pre_attn_scalar: 32,
  vocab_size: 8192,
  max_position_embeddings: 1536,
};

/** A published shape; quick: a tiny model of its architecture. */
export function realModel(name: RealModelName, { quick = false } = {}): RealModel {
  const json: Record<string, unknown> = { ...published[name] };
  if (quick) for (const [key, value] of Object.entries(small)) if (key in json) json[key] = value;
  return { name, role: name === cloudName ? "cloud" : "edge", config: parseModelConfig(name, json) };
}

/** The cloud model that specialises, and the edge model it specialises for. */
export const specializedPair = { cloud: cloudName, edge: "TinyLlama-1.1B" } as const;
