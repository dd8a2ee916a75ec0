/** @file The keys of `config.json` that architectures share, and what they mean. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";
import type { LinearMap, ModelConfig, ModelType, RopeScaling } from "./config.ts";

export const dimension = z
  .int()
  .min(1)
  .max(1 << 20);
export const heads = z.int().min(1).max(1024);
export const positions = z
  .int()
  .min(1)
  .max(1 << 24);

/** What every architecture says the same way. Defaults are those of transformers. */
export const sharedKeys = ({ context, tied }: { readonly context: number; readonly tied: boolean }) => ({
  hidden_size: dimension,
  num_hidden_layers: z.int().min(1).max(1024),
  num_attention_heads: heads,
  vocab_size: z
    .int()
    .min(1)
    .max(1 << 24),
  max_position_embeddings: positions.default(context),
  tie_word_embeddings: z.boolean().default(tied),
  bos_token_id: z.int().nullish(),
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
});

export const resolveShared = (file: z.infer<z.ZodObject<ReturnType<typeof sharedKeys>>>) => ({
  hidden: file.hidden_size,
  layers: file.num_hidden_layers,
  heads: file.num_attention_heads,
  vocab: file.vocab_size,
  context: file.max_position_embeddings,
  tied: file.tie_word_embeddings,
  bosId: file.bos_token_id ?? undefined,
  eosIds: file.eos_token_id == null ? [] : [file.eos_token_id].flat(),
});

/** Throws E_ARCHITECTURE where a key has another value than the one we have. */
export function requireVariant(where: string, key: string, found: unknown, expected: unknown): void {
  if (found !== expected)
    throw new AppError("E_ARCHITECTURE", `${where}: ${key} ${found} is not supported; expected ${expected}`);
}

/** Wide enough for any model, and narrow enough that frequencies stay finite numbers of fp32. */
export const factor = z.number().min(1e-3).max(1e6);
export const theta = z.number().min(1).max(1e15);
/** What keeps a norm from dividing by zero: a number of fp32, and not zero there. */
export const normEpsilon = z.number().min(1e-30).max(1);
/** Old files say `rope_theta` and `rope_scaling` (with `type` or `rope_type`), new ones `rope_parameters`. */
const RopeFile = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: theta.optional(),
  partial_rotary_factor: factor.optional(),
});
const Stretch = z.object({ factor });
const YarnStretch = Stretch.extend({
  original_max_position_embeddings: positions.optional(),
  beta_fast: factor.nullish(),
  beta_slow: factor.nullish(),
  attention_factor: factor.nullish(),
  mscale: factor.nullish(),
  mscale_all_dim: factor.nullish(),
  truncate: z.literal(true).default(true),
});
const factors = z.array(factor).max(4096);
const LongStretch = z.object({
  short_factor: factors,
  long_factor: factors,
  factor: factor.nullish(),
  attention_factor: factor.nullish(),
  original_max_position_embeddings: positions.optional(),
});
const Llama3Stretch = Stretch.extend({
  low_freq_factor: factor,
  high_freq_factor: factor,
  original_max_position_embeddings: positions.optional(),
});

/** The same for rotary architectures. */
export const rotaryKeys = {
  intermediate_size: dimension,
  num_key_value_heads: heads.nullish(),
  head_dim: dimension.nullish(),
  rms_norm_eps: normEpsilon.default(1e-6),
  rope_theta: theta.optional(),
  rope_scaling: RopeFile.nullish(),
  rope_parameters: RopeFile.nullish(),
  partial_rotary_factor: factor.optional(),
};

/** How many positions a token sees in the layers that do not see all. */
export const windowKeys = {
  sliding_window: positions.nullish(),
  layer_types: z.array(z.string()).nullish(),
};

type RotaryFile = z.infer<z.ZodObject<ReturnType<typeof sharedKeys> & typeof rotaryKeys>>;

type RotaryDefaults = {
  readonly kvHeads?: number;
  readonly headDim?: number;
  readonly theta?: number;
  /** Whether heads may be turned in part. */
  readonly partial?: boolean;
  /** Where longrope is known: the context that it begins to stretch at, where the scaling does not say. */
  readonly originalContext?: number;
};

/** The shape of a rotary model. Throws E_CONFIG for heads that do not fit, E_ARCHITECTURE for rotary variants we do not have. */
export function resolveRotary(
  modelType: ModelType,
  where: string,
  file: RotaryFile,
  defaults: RotaryDefaults = {},
): Omit<ModelConfig, "windows" | "biased"> {
  const shared = resolveShared(file);
  const kvHeads = file.num_key_value_heads ?? defaults.kvHeads ?? shared.heads;
  const headDim = file.head_dim ?? defaults.headDim ?? shared.hidden / shared.heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    throw new AppError("E_CONFIG", `${where}: head size must be an even whole number, found ${headDim}`);
  if (shared.heads % kvHeads !== 0)
    throw new AppError("E_CONFIG", `${where}: ${shared.heads} heads do not divide among ${kvHeads} key–value heads`);
  const rope = file.rope_parameters ?? file.rope_scaling ?? {};
  const share = rope.partial_rotary_factor ?? file.partial_rotary_factor ?? 1;
  if (defaults.partial !== true) requireVariant(where, "partial_rotary_factor", share, 1);
  const turned = Math.trunc(headDim * share);
  if (turned < 2 || turned > headDim || turned % 2 !== 0)
    throw new AppError(
      "E_CONFIG",
      `${where}: partial_rotary_factor ${share} should turn an even number of a head's ${headDim}, found ${turned}`,
    );
  const ropeTheta = file.rope_parameters?.rope_theta ?? file.rope_theta ?? defaults.theta ?? 10000;
  const ropeScaling = resolveScaling(where, rope, { context: shared.context, turned, ...defaults });
  if (ropeScaling?.type === "yarn" && ropeTheta <= 1)
    throw new AppError("E_CONFIG", `${where}: yarn scaling needs a rope_theta above 1, found ${ropeTheta}`);
  return {
    modelType,
    ...shared,
    ffn: file.intermediate_size,
    kvHeads,
    headDim,
    epsilon: file.rms_norm_eps,
    ropeTheta,
    ropeScaling,
    ...(turned === headDim ? {} : { turned }),
    queryScalar: undefined,
    attentionCap: 0,
    logitCap: 0,
  };
}

const plainRopeKeys = ["rope_theta", "partial_rotary_factor"];

/** What longrope multiplies cosines and sines by where a file does not say (https://arxiv.org/abs/2402.13753, §3). */
const longMagnitude = (factor: number, originalContext: number): number =>
  factor <= 1 || originalContext <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalContext));

/** Throws E_ARCHITECTURE for kinds of scaling we do not have, E_FORMAT and E_CONFIG for numbers that make no sense. */
function resolveScaling(
  where: string,
  rope: z.infer<typeof RopeFile>,
  {
    context,
    turned,
    originalContext: longFrom,
  }: RotaryDefaults & { readonly context: number; readonly turned: number },
): RopeScaling | undefined {
  const named = rope.rope_type ?? rope.type;
  const type = named ?? (Object.keys(rope).every((key) => plainRopeKeys.includes(key)) ? "default" : undefined);
  const what = `${where}: rotary scaling`;
  if (type === "default") return undefined;
  if (type === "linear" || type === "dynamic") return { type, factor: checkSchema(rope, Stretch, { what }).factor };
  if (type === "yarn") {
    const stretch = checkSchema(rope, YarnStretch, { what });
    const { mscale, mscale_all_dim: mscaleAll } = stretch;
    const [fast, slow] = [stretch.beta_fast ?? 32, stretch.beta_slow ?? 1];
    if (slow >= fast) throw new AppError("E_CONFIG", `${what}: beta_slow ${slow} should be below beta_fast ${fast}`);
    const usual =
      mscale && mscaleAll
        ? yarnMagnitude(stretch.factor, mscale) / yarnMagnitude(stretch.factor, mscaleAll)
        : yarnMagnitude(stretch.factor);
    return {
      type,
      factor: stretch.factor,
      originalContext: stretch.original_max_position_embeddings ?? context,
      fast,
      slow,
      magnitude: stretch.attention_factor ?? usual,
    };
  }
  if ((type === "longrope" || type === "su") && longFrom !== undefined) {
    const { short_factor: short, long_factor: long, ...stretch } = checkSchema(rope, LongStretch, { what });
    for (const [key, found] of Object.entries({ short_factor: short, long_factor: long }))
      if (found.length !== turned / 2)
        throw new AppError("E_CONFIG", `${what}: ${key}: expected ${turned / 2} numbers, found ${found.length}`);
    const originalContext = stretch.original_max_position_embeddings ?? longFrom;
    const magnitude =
      stretch.attention_factor ?? longMagnitude(stretch.factor ?? context / originalContext, originalContext);
    return { type: "longrope", short, long, originalContext, magnitude };
  }
  if (type === "llama3") {
    const stretch = checkSchema(rope, Llama3Stretch, { what });
    const { low_freq_factor: lowFrequencyFactor, high_freq_factor: highFrequencyFactor } = stretch;
    if (lowFrequencyFactor >= highFrequencyFactor)
      throw new AppError(
        "E_CONFIG",
        `${what}: low_freq_factor ${lowFrequencyFactor} should be below high_freq_factor ${highFrequencyFactor}`,
      );
    const originalContext = stretch.original_max_position_embeddings ?? context;
    return { type, factor: stretch.factor, lowFrequencyFactor, highFrequencyFactor, originalContext };
  }
  throw new AppError(
    "E_ARCHITECTURE",
    `${what} "${type}" is not supported; expected one of: default, linear, llama3, yarn, dynamic${longFrom === undefined ? "" : ", longrope"}`,
  );
}

/** What YaRN multiplies cosines and sines by where a file does not say (https://arxiv.org/abs/2309.00071, §3.4). */
export const yarnMagnitude = (factor: number, strength = 1): number =>
  factor <= 1 ? 1 : 0.1 * strength * Math.log(factor) + 1;

/** What `resolveRotary` reads, in the spelling that old and new versions of transformers understand. */
export function rotaryJson(config: ModelConfig): Record<string, unknown> {
  const { ropeScaling: scaling } = config;
  return {
    intermediate_size: config.ffn,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    rms_norm_eps: config.epsilon,
    rope_theta: config.ropeTheta,
    ...(scaling === undefined ? {} : { rope_scaling: scalingJson(scaling) }),
  };
}

function scalingJson(scaling: RopeScaling): Record<string, unknown> {
  if (scaling.type === "longrope")
    return {
      rope_type: "longrope",
      short_factor: scaling.short,
      long_factor: scaling.long,
      attention_factor: scaling.magnitude,
      original_max_position_embeddings: scaling.originalContext,
    };
  const { type, factor } = scaling;
  if (type === "linear" || type === "dynamic") return { rope_type: type, factor };
  const original_max_position_embeddings = scaling.originalContext;
  if (type === "yarn") {
    const { fast, slow, magnitude } = scaling;
    const betas = { beta_fast: fast, beta_slow: slow };
    return { rope_type: type, factor, ...betas, attention_factor: magnitude, original_max_position_embeddings };
  }
  const { lowFrequencyFactor: low_freq_factor, highFrequencyFactor: high_freq_factor } = scaling;
  return { rope_type: type, factor, low_freq_factor, high_freq_factor, original_max_position_embeddings };
}

type WindowFile = z.infer<z.ZodObject<typeof windowKeys>>;

/** By layer: the window, or 0. `slides` says which layers have one where the file does not. */
export function resolveWindows(
  where: string,
  { sliding_window: window, layer_types: types }: WindowFile,
  layers: number,
  slides: (layer: number) => boolean,
): readonly number[] {
  if (types == null) return window == null ? [] : Array.from({ length: layers }, (_, i) => (slides(i) ? window : 0));
  if (types.length !== layers)
    throw new AppError("E_CONFIG", `${where}: layer_types: expected ${layers}, found ${types.length}`);
  const windows = types.map((type) => {
    if (type === "full_attention") return 0;
    if (type !== "sliding_attention")
      throw new AppError(
        "E_ARCHITECTURE",
        `${where}: layer type "${type}" is not supported; expected full_attention or sliding_attention`,
      );
    if (window == null) throw new AppError("E_CONFIG", `${where}: ${type} without a sliding_window`);
    return window;
  });
  return windows.some((each) => each > 0) ? windows : [];
}

/** What `resolveWindows` reads. */
export function windowJson({ windows, layers }: ModelConfig): Record<string, unknown> {
  const window = windows.find((each) => each > 0);
  if (window === undefined) return { sliding_window: null };
  const type = (i: number) => ((windows[i] ?? 0) > 0 ? "sliding_attention" : "full_attention");
  return { sliding_window: window, layer_types: Array.from({ length: layers }, (_, i) => type(i)) };
}

/** The maps that `attention_bias` and `mlp_bias` give a bias. */
export const attentionMaps: readonly LinearMap[] = ["q", "k", "v", "o"];
export const feedForwardMaps: readonly LinearMap[] = ["gate", "up", "down"];
