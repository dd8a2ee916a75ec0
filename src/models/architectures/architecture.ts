/** @file What tells one architecture from another: names, kinds of blocks, and the spelling of its configuration. */
import type { Activation } from "../../nn/activation.ts";
import type { Norm } from "../../nn/norm.ts";
import type { LinearMap, ModelConfig } from "../config.ts";

/** Data only: the decoder reads it. Names are those of Hugging Face checkpoints. */
export type Architecture = {
  /** Of transformers. */
  readonly className: string;
  /** Reads what `config.json` says. Throws E_ARCHITECTURE, E_FORMAT, E_CONFIG; `where` names the file. */
  readonly parseConfig: (where: string, json: unknown) => ModelConfig;
  /** The keys of `config.json` that not all architectures share. */
  readonly configJson: (config: ModelConfig) => Record<string, unknown>;

  readonly embedding: string;
  /** Whether embeddings are multiplied by the root of their width. */
  readonly scalesEmbeddings: boolean;
  /** Rotary, or a table of (context + offset) rows added to the embeddings. */
  readonly positions: "rotary" | { readonly name: string; readonly offset: number };
  /** `layers.3` is `${layers}.3`. */
  readonly layers: string;
  /** Below a layer, which has them all but where layers are of two kinds. A feed-forward block without a gate has two maps only. */
  readonly linear: { readonly [M in LinearMap]?: string };
  /** Tensors of a checkpoint that hold several maps, their rows one behind the other: names below a layer. */
  readonly fused?: Readonly<Record<string, readonly LinearMap[]>>;
  readonly norm: Norm;
  readonly norms: {
    readonly beforeAttention: string;
    /** On what a block returns, before it is added to the stream. */
    readonly afterAttention?: string;
    readonly beforeFeedForward: string;
    readonly afterFeedForward?: string;
    readonly last: string;
  };
  /** On each head of q and of k, before it is turned to its position: an RMSNorm whose gain all heads share. */
  readonly headNorms?: { readonly q: string; readonly k: string };
  /** Of the layers that convolve: the factors of each channel, (d, 1, width), below a layer. */
  readonly taps?: string;
  readonly activation: Activation;
};

/** What Llama and those that descend from it have in common. */
export const llamaLike = {
  embedding: "model.embed_tokens.weight",
  scalesEmbeddings: false,
  positions: "rotary",
  layers: "model.layers",
  linear: {
    q: "self_attn.q_proj",
    k: "self_attn.k_proj",
    v: "self_attn.v_proj",
    o: "self_attn.o_proj",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
  },
  norm: "rms",
  norms: {
    beforeAttention: "input_layernorm",
    beforeFeedForward: "post_attention_layernorm",
    last: "model.norm",
  },
  activation: "silu",
} as const satisfies Omit<Architecture, "className" | "parseConfig" | "configJson">;
