/** @file The Llama family: RMSNorm, rotary positions, grouped-query attention, SwiGLU. Names as in Hugging Face checkpoints. */
import { add, cachedAttention, gather, matmul, mul, rmsNorm, rope, silu } from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";
import { attend, causalMask, defaultPositions, joinHeads, segmentMask, splitHeads } from "../nn/attention.ts";
import type { Parts } from "../nn/parts.ts";
import type { LlamaConfig } from "./config.ts";

/** Rotary tables (context, headDim/2): bound as frozen weights. */
export const ropeNames = { cos: "rope.cos", sin: "rope.sin" } as const;

/** How one layer attends: over its own sequence, or over a cache. q (b, heads, t, d); k, v (b, kvHeads, t, d) → (b, t, heads·d). */
type Attend = (layer: number, q: Node, k: Node, v: Node) => Node;

export const embeddingName = "model.embed_tokens.weight";

/** tokens (b, t) i64 → (b, t, d) */
export function embed(config: LlamaConfig, parts: Parts, tokens: Node): Node {
  return gather(parts.weight(embeddingName, [config.vocab, config.hidden]), tokens);
}

/** Several sequences in one row: which one each token belongs to, and its position there. Both (b, t) i64. */
export type Segments = { readonly ids: Node; readonly positions: Node };

/**
 * The last hidden states, after the final norm (AMB-11).
 * @param embedded (b, t, d), from `embed`
 * @param segments where rows hold several sequences that must not see each other
 * @returns (b, t, d)
 */
export function forward(config: LlamaConfig, parts: Parts, embedded: Node, segments?: Segments): Node {
  const [batch, time] = embedded.shape as [Dim, Dim, Dim];
  const causal = causalMask(time);
  const mask = segments === undefined ? causal : add(causal, segmentMask(segments.ids));
  const positions = segments?.positions ?? defaultPositions(batch, time);
  const scale = 1 / Math.sqrt(config.headDim);
  return layers(config, parts, embedded, positions, (_, q, k, v) => joinHeads(attend(q, k, v, mask, scale)));
}

export type Cache = {
  /** Per layer: keys and values (b, kvHeads, capacity, d). */
  readonly past: readonly { readonly k: Node; readonly v: Node }[];
  /** (b) i64: the index of the last valid position after this step. */
  readonly last: Node;
  /** () i64: the number of valid positions after this step. */
  readonly total: Node;
};

/** The same over a cache: `embedded` holds only the new tokens, at `positions` (b, t) i64. */
export function forwardCached(config: LlamaConfig, parts: Parts, embedded: Node, positions: Node, cache: Cache) {
  const present: { k: Node; v: Node }[] = [];
  const scale = 1 / Math.sqrt(config.headDim);
  const hidden = layers(config, parts, embedded, positions, (layer, q, k, v) => {
    const { k: pastK, v: pastV } = cache.past[layer]!;
    const inputs = [joinHeads(q), joinHeads(k), joinHeads(v), pastK, pastV, cache.last, cache.total];
    const attended = cachedAttention(inputs, { heads: config.heads, kvHeads: config.kvHeads, scale, window: 0 });
    present[layer] = { k: attended.presentK, v: attended.presentV };
    return attended.output;
  });
  return { hidden, present };
}

/** hidden (…, d) → logits (…, vocab), by the embedding where the head is tied. */
export function logits(config: LlamaConfig, parts: Parts, hidden: Node): Node {
  if (!config.tied) return parts.linear("lm_head", config.hidden, config.vocab)(hidden);
  return matmul(hidden, parts.weight(embeddingName, [config.vocab, config.hidden]), { transB: true });
}

function layers(config: LlamaConfig, parts: Parts, embedded: Node, positions: Node, attendLayer: Attend): Node {
  const { hidden, ffn, heads, kvHeads, headDim, epsilon, context } = config;
  const cos = parts.weight(ropeNames.cos, [context, headDim / 2]);
  const sin = parts.weight(ropeNames.sin, [context, headDim / 2]);
  const norm = (x: Node, name: string) => rmsNorm(x, parts.weight(`${name}.weight`, [hidden]), epsilon);
  let x = embedded;
  for (let i = 0; i < config.layers; i++) {
    const at = `model.layers.${i}`;
    const linear = (name: string, inputs: number, outputs: number) => parts.linear(`${at}.${name}`, inputs, outputs);
    const h = norm(x, `${at}.input_layernorm`);
    const q = splitHeads(linear("self_attn.q_proj", hidden, heads * headDim)(h), heads);
    const k = splitHeads(linear("self_attn.k_proj", hidden, kvHeads * headDim)(h), kvHeads);
    const v = splitHeads(linear("self_attn.v_proj", hidden, kvHeads * headDim)(h), kvHeads);
    const attended = attendLayer(i, rope(q, positions, cos, sin), rope(k, positions, cos, sin), v);
    x = add(x, linear("self_attn.o_proj", heads * headDim, hidden)(attended));
    const f = norm(x, `${at}.post_attention_layernorm`);
    const gated = mul(silu(linear("mlp.gate_proj", hidden, ffn)(f)), linear("mlp.up_proj", hidden, ffn)(f));
    x = add(x, linear("mlp.down_proj", ffn, hidden)(gated));
  }
  return norm(x, "model.norm");
}

/** cos and sin of position · theta^(−2i/d): (context, headDim/2) each. */
export function ropeTables({ context, headDim, ropeTheta }: LlamaConfig): { cos: Float32Array; sin: Float32Array } {
  const half = headDim / 2;
  const cos = new Float32Array(context * half);
  const sin = new Float32Array(context * half);
  for (let i = 0; i < half; i++) {
    const frequency = ropeTheta ** (-i / half);
    for (let position = 0; position < context; position++) {
      cos[position * half + i] = Math.cos(position * frequency);
      sin[position * half + i] = Math.sin(position * frequency);
    }
  }
  return { cos, sin };
}

/** Every trainable tensor of a model: name → shape, in checkpoint order. */
export function parameterShapes(config: LlamaConfig): Map<string, readonly number[]> {
  const { hidden, ffn, heads, kvHeads, headDim, vocab } = config;
  const shapes = new Map<string, readonly number[]>([[embeddingName, [vocab, hidden]]]);
  for (let i = 0; i < config.layers; i++) {
    const at = `model.layers.${i}`;
    shapes.set(`${at}.input_layernorm.weight`, [hidden]);
    shapes.set(`${at}.self_attn.q_proj.weight`, [heads * headDim, hidden]);
    shapes.set(`${at}.self_attn.k_proj.weight`, [kvHeads * headDim, hidden]);
    shapes.set(`${at}.self_attn.v_proj.weight`, [kvHeads * headDim, hidden]);
    shapes.set(`${at}.self_attn.o_proj.weight`, [hidden, heads * headDim]);
    shapes.set(`${at}.post_attention_layernorm.weight`, [hidden]);
    shapes.set(`${at}.mlp.gate_proj.weight`, [ffn, hidden]);
    shapes.set(`${at}.mlp.up_proj.weight`, [ffn, hidden]);
    shapes.set(`${at}.mlp.down_proj.weight`, [hidden, ffn]);
  }
  shapes.set("model.norm.weight", [hidden]);
  if (!config.tied) shapes.set("lm_head.weight", [vocab, hidden]);
  return shapes;
}
