/** @file A model's shape: one type for every architecture. */

/** The architectures we know, named as their `model_type`. */
export type ModelType =
  | "llama"
  | "mistral"
  | "qwen2"
  | "qwen3"
  | "gemma"
  | "gemma2"
  | "gemma3_text"
  | "granite"
  | "smollm3"
  | "phi3"
  | "lfm2"
  | "opt";

/**
 * The linear maps of a layer. Where a feed-forward block has two only (OPT's fc1 and fc2), they are `up` and `down`. A layer that convolves
 * has `in` and `out` in place of those of attention.
 */
export type LinearMap = "q" | "k" | "v" | "o" | "in" | "out" | "gate" | "up" | "down";

/** How rotary frequencies are stretched beyond the context a model was first trained on. */
export type RopeScaling =
  | { readonly type: "linear"; readonly factor: number }
  /** Beyond the context that a model states, which is as far as we go: within it, nothing changes. */
  | { readonly type: "dynamic"; readonly factor: number }
  | {
      readonly type: "yarn";
      readonly factor: number;
      readonly originalContext: number;
      /** Frequencies of more turns than this in the original context stay as they are. */
      readonly fast: number;
      /** Those of fewer are divided by the factor. */
      readonly slow: number;
      /** Cosines and sines are multiplied by it. */
      readonly magnitude: number;
    }
  | {
      readonly type: "longrope";
      /** Frequencies are divided by these within the original context, (turned/2): as far as we go. */
      readonly short: readonly number[];
      /** And by these beyond it. */
      readonly long: readonly number[];
      readonly originalContext: number;
      /** Cosines and sines are multiplied by it. */
      readonly magnitude: number;
    }
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalContext: number;
    };

/** What one kind of layer turns its heads by. */
export type Rotary = { readonly theta: number; readonly scaling: RopeScaling | undefined };

/** Layers that mix positions by a gated short convolution: y = out(c ⊙ Σ_j w_j ⊙ (b ⊙ x)_{t−width+1+j}), where (b, c, x) = in(h). */
export type Convolution = {
  /** How many positions a token sees, itself among them. */
  readonly width: number;
  /** By layer: whether it convolves; others attend. */
  readonly layers: readonly boolean[];
};

/** What a model multiplies by, beyond what its weights say. */
export type Multipliers = {
  readonly embedding: number;
  /** On what each block adds to the stream. */
  readonly residual: number;
  /** On the scores, in place of the root of the head size. */
  readonly attention: number;
  /** The logits are divided by it. */
  readonly logitDivisor: number;
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
  /** How many numbers of a head are turned, the first ones; undefined: all. */
  readonly turned?: number | undefined;
  /** Of the layers that have a window, where they differ from the others. */
  readonly windowRotary?: Rotary | undefined;
  /** By layer: whether its heads are not turned. None: all are turned. */
  readonly unturned?: readonly boolean[] | undefined;
  readonly multipliers?: Multipliers | undefined;
  /** By layer: how many positions a token sees, itself among them. 0 or none: all before it. */
  readonly windows: readonly number[];
  /** None: all layers attend. */
  readonly convolution?: Convolution | undefined;
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
