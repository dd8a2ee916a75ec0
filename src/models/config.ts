/** @file `config.json` of a Hugging Face directory, parsed once into a strict type. */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { readJsonFile } from "../base/json.ts";

const dimension = z
  .int()
  .min(1)
  .max(1 << 20);

/** What the Llama family needs, with the defaults transformers applies. */
const LlamaFile = z.object({
  model_type: z.literal("llama"),
  hidden_size: dimension,
  intermediate_size: dimension,
  num_hidden_layers: z.int().min(1).max(1024),
  num_attention_heads: z.int().min(1).max(1024),
  num_key_value_heads: z.int().min(1).max(1024).optional(),
  head_dim: dimension.nullish(),
  vocab_size: z
    .int()
    .min(1)
    .max(1 << 24),
  max_position_embeddings: z
    .int()
    .min(1)
    .max(1 << 24)
    .default(2048),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().default(10000),
  tie_word_embeddings: z.boolean().default(false),
  hidden_act: z.literal("silu").default("silu"),
  bos_token_id: z.int().nullish(),
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
});

/** A Llama model's shape. */
export type LlamaConfig = {
  readonly modelType: "llama";
  readonly hidden: number;
  readonly ffn: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocab: number;
  readonly context: number;
  readonly epsilon: number;
  readonly ropeTheta: number;
  readonly tied: boolean;
  readonly bosId: number | undefined;
  readonly eosIds: readonly number[];
};

/** Every supported architecture by its `model_type`. */
const families = { llama: LlamaFile } as const;

/** Reads and checks `config.json`. Throws E_ARCHITECTURE for an unknown `model_type`, E_FORMAT for a malformed file, E_CONFIG for heads that do not fit. */
export async function readModelConfig(directory: string): Promise<LlamaConfig> {
  const path = join(directory, "config.json");
  const { model_type: type } = await readJsonFile(path, z.looseObject({ model_type: z.string() }));
  if (!(type in families)) {
    throw new AppError(
      "E_ARCHITECTURE",
      `${path}: model_type "${type}" is not supported; expected one of: ${Object.keys(families).join(", ")}`,
    );
  }
  return resolveLlama(path, await readJsonFile(path, LlamaFile));
}

function resolveLlama(path: string, file: z.infer<typeof LlamaFile>): LlamaConfig {
  const kvHeads = file.num_key_value_heads ?? file.num_attention_heads;
  const headDim = file.head_dim ?? file.hidden_size / file.num_attention_heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    throw new AppError("E_CONFIG", `${path}: head size must be an even whole number, found ${headDim}`);
  if (file.num_attention_heads % kvHeads !== 0) {
    throw new AppError(
      "E_CONFIG",
      `${path}: ${file.num_attention_heads} heads do not divide among ${kvHeads} key–value heads`,
    );
  }
  return {
    modelType: "llama",
    hidden: file.hidden_size,
    ffn: file.intermediate_size,
    layers: file.num_hidden_layers,
    heads: file.num_attention_heads,
    kvHeads,
    headDim,
    vocab: file.vocab_size,
    context: file.max_position_embeddings,
    epsilon: file.rms_norm_eps,
    ropeTheta: file.rope_theta,
    tied: file.tie_word_embeddings,
    bosId: file.bos_token_id ?? undefined,
    eosIds: file.eos_token_id == null ? [] : [file.eos_token_id].flat(),
  };
}

/** The `config.json` that transformers and llama.cpp read. */
export function toConfigJson(config: LlamaConfig): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: config.modelType,
    hidden_size: config.hidden,
    intermediate_size: config.ffn,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    vocab_size: config.vocab,
    max_position_embeddings: config.context,
    rms_norm_eps: config.epsilon,
    rope_theta: config.ropeTheta,
    tie_word_embeddings: config.tied,
    hidden_act: "silu",
    bos_token_id: config.bosId ?? null,
    eos_token_id: config.eosIds.length === 1 ? config.eosIds[0] : config.eosIds,
    torch_dtype: "float32",
  };
}
