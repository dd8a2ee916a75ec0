/** @file A model's shape as the metadata of a GGUF file, and back. */
import { AppError } from "../../base/errors.ts";
import type { GgufField, GgufFile, GgufScalarType } from "../../files/gguf/read.ts";
import type { ModelConfig, ModelType } from "../config.ts";
import { parseModelConfig } from "../config-json.ts";
import { yarnMagnitude } from "../config-keys.ts";
import { convolves } from "../parameters.ts";
import { ropeFrequencies, turnedOf } from "../rope.ts";
import { ggufArchitecture, ggufArchitectures } from "./names.ts";

/** Tensors of divisors of the rotary frequencies, where they are not one number: Llama 3.1's, longrope's for short and for long texts. */
export const ropeFactorNames = {
  llama3: "rope_freqs.weight",
  short: "rope_factors_short.weight",
  long: "rope_factors_long.weight",
} as const;

/** Those that a file has, (turned/2) each. */
export type RopeFactors = { readonly [K in keyof typeof ropeFactorNames]?: Float32Array };

/**
 * What llama.cpp reads about a model's shape; its numbers behind `general.architecture`.
 * @throws E_ARCHITECTURE for what llama.cpp computes otherwise
 */
export function ggufShape(config: ModelConfig): Map<string, GgufField> {
  const { name } = ggufArchitecture(config, "GGUF");
  requireSameSums(config);
  const fields = new Map<string, GgufField>([["general.architecture", { type: "string", value: name }]]);
  const put = (key: string, type: GgufScalarType, value: number | string) =>
    fields.set(`${name}.${key}`, { type, value });
  put("block_count", "u32", config.layers);
  put("context_length", "u32", contextOf(config));
  put("embedding_length", "u32", config.hidden);
  put("feed_forward_length", "u32", config.ffn);
  put("attention.head_count", "u32", config.heads);
  fields.set(`${name}.attention.head_count_kv`, kvHeadField(config));
  put("attention.key_length", "u32", config.headDim);
  put("attention.value_length", "u32", config.headDim);
  put("attention.layer_norm_rms_epsilon", "f32", config.epsilon);
  put("rope.dimension_count", "u32", turnedOf(config));
  put("rope.freq_base", "f32", config.ropeTheta);
  put("vocab_size", "u32", config.vocab);
  if (config.ropeScaling?.type === "linear") {
    put("rope.scaling.type", "string", "linear");
    put("rope.scaling.factor", "f32", config.ropeScaling.factor);
  }
  if (config.ropeScaling?.type === "yarn") {
    put("rope.scaling.type", "string", "yarn");
    put("rope.scaling.factor", "f32", config.ropeScaling.factor);
    put("rope.scaling.original_context_length", "u32", config.ropeScaling.originalContext);
  }
  if (config.multipliers !== undefined) {
    put("embedding_scale", "f32", config.multipliers.embedding);
    put("residual_scale", "f32", config.multipliers.residual);
    put("attention.scale", "f32", config.multipliers.attention);
    put("logit_scale", "f32", config.multipliers.logitDivisor);
  }
  if (config.modelType === "phi3") {
    const { ropeScaling: scaling, windows } = config;
    const longrope = scaling?.type === "longrope" ? scaling : undefined;
    put("rope.scaling.original_context_length", "u32", longrope?.originalContext ?? config.context);
    if (longrope !== undefined) put("rope.scaling.attn_factor", "f32", longrope.magnitude);
    put("attention.sliding_window", "u32", windows.find((window) => window > 0) ?? 0);
  }
  if (config.convolution !== undefined) put("shortconv.l_cache", "u32", config.convolution.width);
  if (config.modelType === "gemma3_text") {
    put("attention.sliding_window", "u32", config.windows[0]!);
    put("rope.freq_base_swa", "f32", config.windowRotary!.theta);
  }
  if (config.modelType === "gemma2") {
    put("attn_logit_softcapping", "f32", config.attentionCap);
    put("final_logit_softcapping", "f32", config.logitCap);
    put("attention.sliding_window", "u32", config.windows[0] ?? config.context);
  }
  return fields;
}

/** One number, or one for each layer where some convolve: those have none. */
function kvHeadField(config: ModelConfig): GgufField {
  const { kvHeads, layers, convolution } = config;
  if (convolution === undefined) return { type: "u32", value: kvHeads };
  const value = Array.from({ length: layers }, (_, layer) => (convolves(config, layer) ? 0 : kvHeads));
  return { type: "array", of: "i32", value };
}

/** llama.cpp has windows in Gemma 2 and 3 only: for the others a context within the window gives the same answers. */
function contextOf({ modelType, windows, context }: ModelConfig): number {
  if (modelType === "gemma2" || modelType === "gemma3_text") return context;
  return Math.min(context, ...windows.filter((window) => window > 0));
}

function requireSameSums(config: ModelConfig): void {
  const { modelType, windows, headDim, heads, hidden, layers, attentionCap, logitCap, biased, queryScalar } = config;
  const { ropeScaling, unturned, windowRotary } = config;
  const refuse = (what: string) => {
    throw new AppError("E_ARCHITECTURE", `GGUF: llama.cpp has no ${modelType} with ${what}`);
  };
  if (ropeScaling?.type === "yarn") {
    const { factor, fast, slow, magnitude } = ropeScaling;
    const isUsual = fast === 32 && slow === 1 && Math.abs(magnitude - yarnMagnitude(factor)) < 1e-6;
    if (!isUsual) refuse("yarn scaling of other bounds or magnitude than the usual ones");
  }
  if (["qwen3", "gemma3_text", "smollm3"].includes(modelType) && biased.length > 0) refuse("biases");
  if (modelType === "phi3" && ropeScaling !== undefined && ropeScaling.type !== "longrope")
    refuse(`${ropeScaling.type} scaling`);
  if (modelType === "phi3" && heads * headDim !== hidden)
    refuse(`${heads} heads of ${headDim} in a width of ${hidden}`);
  if (modelType === "smollm3" && unturned?.some((isUnturned, i) => isUnturned !== ((i + 1) % 4 === 0)))
    refuse("other layers without rotary positions than every fourth");
  const isGemma3 = modelType === "gemma3_text";
  if (isGemma3) {
    const follow = windows.every((window, i) => window === ((i + 1) % 6 === 0 ? 0 : windows[0]));
    if (windows.length === 0 || !follow) refuse(`windows of [${windows}]; it has five layers with one to one without`);
    if (attentionCap !== 0 || logitCap !== 0) refuse("soft caps");
    if (windowRotary?.scaling !== undefined) refuse("rotary scaling in layers with a window");
    if (ropeScaling !== undefined && ropeScaling.type !== "linear") refuse(`${ropeScaling.type} scaling`);
  }
  if (!isGemma3 && modelType !== "gemma2") return;
  const scalar = layers === (isGemma3 ? 62 : 46) ? hidden / heads : headDim; // those of 27 B
  const found = queryScalar ?? headDim;
  if (found !== scalar) refuse(`a query scalar of ${found}; it has ${scalar}`);
  if (isGemma3) return;
  const alternates = windows.every((window, i) => window === (i % 2 === 0 ? windows[0] : 0));
  if (windows.length > 0 && !alternates) refuse(`windows of [${windows}]; it has one in every other layer`);
  if (windows.length === 0) refuse("no windows; it has one in every other layer");
  if (attentionCap === 0 || logitCap === 0) refuse("soft caps of 0");
}

/** The tensors of divisors that a model needs, by their names. */
export function ropeFactors(config: ModelConfig): Map<string, Float32Array> {
  const { ropeScaling: scaling } = config;
  if (scaling?.type === "longrope")
    return new Map([
      [ropeFactorNames.long, Float32Array.from(scaling.long)],
      [ropeFactorNames.short, Float32Array.from(scaling.short)],
    ]);
  if (scaling?.type !== "llama3") return new Map();
  const stretched = ropeFrequencies(config);
  const plain = ropeFrequencies({ ...config, ropeScaling: undefined });
  return new Map([[ropeFactorNames.llama3, plain.map((frequency, i) => frequency / stretched[i]!)]]);
}

/**
 * The shape that a file describes.
 * @throws E_ARCHITECTURE for an architecture we do not have, E_FORMAT for fields that are missing or of another type
 */
export function ggufModelConfig(file: GgufFile, factors: RopeFactors): ModelConfig {
  const fields = fieldReader(file);
  const name = fields.text("general.architecture");
  const modelType = modelTypeOf(file);
  const number = (key: string) => fields.number(`${name}.${key}`);
  const optional = (key: string) => fields.optionalNumber(`${name}.${key}`);
  const heads = number("attention.head_count");
  const hidden = number("embedding_length");
  const headDim = ggufHeadDim(file);
  const values = optional("attention.value_length") ?? headDim;
  const turned = ggufTurned(file);
  if (values !== headDim || (turned !== headDim && modelType !== "phi3"))
    throw new AppError(
      "E_ARCHITECTURE",
      `${file.path}: heads of ${headDim} whose values have ${values} and whose rotated part has ${turned} are not supported`,
    );
  const context = number("context_length");
  const theta = shortest(optional("rope.freq_base") ?? 10000);
  return parseModelConfig(file.path, {
    model_type: modelType,
    hidden_size: hidden,
    intermediate_size: number("feed_forward_length"),
    num_hidden_layers: number("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: kvHeadsByLayer(file).find((count) => count > 0) ?? heads,
    head_dim: headDim,
    vocab_size: vocabularyOf(file),
    max_position_embeddings: context,
    rms_norm_eps: shortest(number("attention.layer_norm_rms_epsilon")),
    rope_theta: theta,
    rope_scaling: scalingOf(file, { headDim, theta, context, factors: factors.llama3 }),
    tie_word_embeddings: !file.tensors.has("output.weight"),
    bos_token_id: fields.optionalNumber("tokenizer.ggml.bos_token_id") ?? null,
    eos_token_id: endTokens(file),
    attention_bias: name !== "qwen2" && file.tensors.has("blk.0.attn_q.bias"),
    mlp_bias: file.tensors.has("blk.0.ffn_gate.bias"),
    ...(ownKeys[modelType]?.({ file, factors, number, optional, headDim, share: hidden / heads }) ?? {}),
  });
}

type OwnFields = {
  readonly file: GgufFile;
  readonly factors: RopeFactors;
  readonly number: (key: string) => number;
  readonly optional: (key: string) => number | undefined;
  readonly headDim: number;
  /** The width over the number of heads. */
  readonly share: number;
};

/** The keys of `config.json` that only one architecture has. */
const ownKeys: { readonly [T in ModelType]?: (fields: OwnFields) => Record<string, unknown> } = {
  gemma2: ({ number, optional, headDim, share }) => ({
    sliding_window: optional("attention.sliding_window") ?? 4096,
    query_pre_attn_scalar: number("block_count") === 46 ? share : headDim, // 46 layers: the 27 B model
    attn_logit_softcapping: optional("attn_logit_softcapping") ?? 50,
    final_logit_softcapping: optional("final_logit_softcapping") ?? 30,
  }),
  gemma3_text: ({ number, optional, headDim, share }) => ({
    sliding_window: number("attention.sliding_window"),
    query_pre_attn_scalar: number("block_count") === 62 ? share : headDim,
    rope_local_base_freq: shortest(optional("rope.freq_base_swa") ?? 10000),
    final_logit_softcapping: optional("final_logit_softcapping") ?? null,
  }),
  granite: ({ number }) => ({
    embedding_multiplier: shortest(number("embedding_scale")),
    residual_multiplier: shortest(number("residual_scale")),
    attention_multiplier: shortest(number("attention.scale")),
    logits_scaling: shortest(number("logit_scale")),
  }),
  phi3: ({ file, factors, number, optional, headDim }) => {
    const originalContext = optional("rope.scaling.original_context_length") ?? number("context_length");
    const turned = ggufTurned(file);
    return {
      // Half a number more than are turned: what is cut off again, however the quotient was rounded.
      ...(turned === headDim ? {} : { partial_rotary_factor: (turned + 0.5) / headDim }),
      sliding_window: optional("attention.sliding_window") || null,
      original_max_position_embeddings: originalContext,
      ...longropeOf(file, factors),
    };
  },
  lfm2: ({ file, number }) => {
    const kvHeads = kvHeadsByLayer(file);
    return {
      norm_eps: shortest(number("attention.layer_norm_rms_epsilon")),
      block_auto_adjust_ff_dim: false,
      conv_L_cache: number("shortconv.l_cache"),
      layer_types: Array.from({ length: number("block_count") }, (_, i) =>
        kvHeads[kvHeads.length === 1 ? 0 : i] === 0 ? "conv" : "full_attention",
      ),
    };
  },
};

/** longrope as `config.json` says it, where the file has its factors. Throws E_FORMAT where it has only some. */
function longropeOf(file: GgufFile, { short, long }: RopeFactors): Record<string, unknown> {
  if (short === undefined && long === undefined) return {};
  if (short === undefined || long === undefined) {
    const { short: shortName, long: longName } = ropeFactorNames;
    throw new AppError("E_FORMAT", `${file.path}: expected both "${shortName}" and "${longName}", found one of them`);
  }
  const fields = fieldReader(file);
  const magnitude = fields.optionalNumber(`${fields.text("general.architecture")}.rope.scaling.attn_factor`);
  return {
    rope_scaling: {
      rope_type: "longrope",
      short_factor: Array.from(short, shortest),
      long_factor: Array.from(long, shortest),
      attention_factor: magnitude === undefined ? null : shortest(magnitude),
    },
  };
}

/** The key–value heads, of each layer where they are not the same in all: then 0 or one number. Throws E_FORMAT, E_ARCHITECTURE. */
function kvHeadsByLayer(file: GgufFile): readonly number[] {
  const fields = fieldReader(file);
  const architecture = fields.text("general.architecture");
  const key = `${architecture}.attention.head_count_kv`;
  const field = file.metadata.get(key);
  if (field?.type !== "array")
    return [fields.optionalNumber(key) ?? fields.number(`${architecture}.attention.head_count`)];
  const layers = fields.number(`${architecture}.block_count`);
  const { value } = field;
  if (value.length !== layers || !value.every((count) => typeof count === "number"))
    throw new AppError("E_FORMAT", `${file.path}: "${key}" should be ${layers} numbers, one for each layer`);
  const counts = value as readonly number[];
  const several = new Set(counts.filter((count) => count !== 0)).size > 1;
  if (several || (counts.includes(0) && architecture !== "lfm2"))
    throw new AppError(
      "E_ARCHITECTURE",
      `${file.path}: layers of ${architecture} with different numbers of key–value heads are not supported`,
    );
  return counts;
}

/** The tokens that end an answer: of a text, of a turn, of a message. */
function endTokens(file: GgufFile): number[] {
  const { optionalNumber } = fieldReader(file);
  const ids = ["eos", "eot", "eom"].map((kind) => optionalNumber(`tokenizer.ggml.${kind}_token_id`));
  return [...new Set(ids.filter((id) => id !== undefined))];
}

function modelTypeOf(file: GgufFile): ModelType {
  const fields = fieldReader(file);
  const name = fields.text("general.architecture");
  const kind = fields.optionalText("general.type") ?? "model";
  if (kind !== "model") throw new AppError("E_FORMAT", `${file.path}: expected a model, found general.type "${kind}"`);
  const modelType = Object.entries(ggufArchitectures).find(([, { name: known }]) => known === name)?.[0];
  if (modelType === undefined) {
    const known = [...new Set(Object.values(ggufArchitectures).map((found) => found.name))];
    throw new AppError(
      "E_ARCHITECTURE",
      `${file.path}: architecture "${name}" is not supported; expected one of: ${known.join(", ")}`,
    );
  }
  return modelType as ModelType;
}

/** Numbers in a query of one head. Throws as `ggufModelConfig` does. */
function ggufHeadDim(file: GgufFile): number {
  modelTypeOf(file);
  const fields = fieldReader(file);
  const name = fields.text("general.architecture");
  return (
    fields.optionalNumber(`${name}.attention.key_length`) ??
    fields.number(`${name}.embedding_length`) / fields.number(`${name}.attention.head_count`)
  );
}

/** Numbers of a head that are turned by position. Throws as `ggufModelConfig` does. */
export function ggufTurned(file: GgufFile): number {
  modelTypeOf(file);
  const fields = fieldReader(file);
  return fields.optionalNumber(`${fields.text("general.architecture")}.rope.dimension_count`) ?? ggufHeadDim(file);
}

/** Rows of the embedding: what the metadata says about it is optional. */
function vocabularyOf({ path, tensors }: GgufFile): number {
  const shape = tensors.get("token_embd.weight")?.shape;
  if (shape?.length !== 2) throw new AppError("E_FORMAT", `${path}: has no embedding "token_embd.weight" of two axes`);
  return shape[0]!;
}

type Rope = { headDim: number; theta: number; context: number; factors: Float32Array | undefined };

function scalingOf(file: GgufFile, { headDim, theta, context, factors }: Rope): Record<string, unknown> | null {
  const fields = fieldReader(file);
  const architecture = fields.text("general.architecture");
  const type = fields.optionalText(`${architecture}.rope.scaling.type`) ?? "none";
  if (type === "linear") return { rope_type: "linear", factor: fields.number(`${architecture}.rope.scaling.factor`) };
  if (type === "yarn")
    return {
      rope_type: "yarn",
      factor: fields.number(`${architecture}.rope.scaling.factor`),
      original_max_position_embeddings: fields.number(`${architecture}.rope.scaling.original_context_length`),
    };
  if (type !== "none")
    throw new AppError(
      "E_ARCHITECTURE",
      `${file.path}: rotary scaling "${type}" is not supported; expected none, linear, yarn`,
    );
  if (factors === undefined) return null;
  const factor = factors.reduce((most, value) => Math.max(most, value), 1);
  // The file keeps only the outcome. Llama 3.1's rule with its usual bounds, over some power of two, must give it.
  for (let original = 2 ** 8; original <= Math.min(context, 2 ** 20); original *= 2) {
    const scaling = {
      type: "llama3",
      factor,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalContext: original,
    } as const;
    const shape = { headDim, ropeTheta: theta };
    const plain = ropeFrequencies({ ...shape, ropeScaling: undefined });
    const stretched = ropeFrequencies({ ...shape, ropeScaling: scaling });
    if (factors.length === plain.length && factors.every((f, i) => Math.abs(plain[i]! / stretched[i]! - f) < 1e-3 * f))
      return {
        rope_type: "llama3",
        factor,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: original,
      };
  }
  throw new AppError("E_ARCHITECTURE", `${file.path}: ${ropeFactorNames.llama3} are not those of a Llama 3.1`);
}

/** 1e-5 is kept as an fp32 in the file: the shortest decimal that gives it. */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

/** Typed access to the metadata. */
export function fieldReader({ path, metadata }: GgufFile) {
  function typed<T>(key: string, kind: "number" | "string"): T | undefined {
    const value = metadata.get(key)?.value;
    if (value === undefined) return undefined;
    if (typeof value !== kind)
      throw new AppError("E_FORMAT", `${path}: ${JSON.stringify(key)} should be a ${kind}, found ${typeof value}`);
    return value as T;
  }
  function needed<T>(key: string, value: T | undefined): T {
    if (value === undefined) throw new AppError("E_FORMAT", `${path}: has no ${JSON.stringify(key)}`);
    return value;
  }
  const optionalNumber = (key: string) => typed<number>(key, "number");
  const optionalText = (key: string) => typed<string>(key, "string");
  return {
    optionalNumber,
    optionalText,
    number: (key: string) => needed(key, optionalNumber(key)),
    text: (key: string) => needed(key, optionalText(key)),
  };
}
