/** @file What a model is built from: named weights and named linear maps, so that freezing, training, LoRA and quantisation are the caller's choice. */
import { gather, matmul, weight as weightNode } from "../graph/build.ts";
import type { Node, Shape } from "../graph/types.ts";

/** y = x Wᵀ (+ …): (…, in) → (…, out). */
export type Linear = (x: Node) => Node;

/** Hands a model its parameters. `linear` may wrap the plain product: LoRA, a mixture of experts, int8. */
export type Parts = {
  readonly weight: (name: string, shape: Shape) => Node;
  readonly linear: (name: string, inputs: number, outputs: number) => Linear;
  /** Rows of a table (rows, width), `name.weight`: indices (…) i64 → (…, width). */
  readonly lookup: (name: string, rows: number, width: number) => (indices: Node) => Node;
};

/** Plain parts over a source of weights: linear `name` is `name.weight` of shape (out, in), as Hugging Face stores it. */
export function denseParts(weight: Parts["weight"]): Parts {
  return {
    weight,
    linear: (name, inputs, outputs) => {
      const w = weight(`${name}.weight`, [outputs, inputs]);
      return (x) => matmul(x, w, { transB: true });
    },
    lookup: (name, rows, width) => {
      const table = weight(`${name}.weight`, [rows, width]);
      return (indices) => gather(table, indices);
    },
  };
}

/** Frozen weights: one node per name, however often it is asked for. */
export function frozenWeights(): Parts["weight"] {
  const nodes = new Map<string, Node>();
  return (name, shape) => {
    const node = nodes.get(name) ?? weightNode(name, shape);
    nodes.set(name, node);
    return node;
  };
}

/** Parts whose linear maps are changed by `wrap`, which sees the full name and returns the map to use. */
export function wrapLinear(
  parts: Parts,
  wrap: (name: string, plain: Linear, inputs: number, outputs: number) => Linear,
): Parts {
  return {
    ...parts,
    linear: (name, inputs, outputs) => wrap(name, parts.linear(name, inputs, outputs), inputs, outputs),
  };
}

/** Parts below a prefix: `scoped(parts, "cloud.")` reads `cloud.model.norm.weight` for `model.norm.weight`. */
export function scoped(parts: Parts, prefix: string): Parts {
  return {
    weight: (name, shape) => parts.weight(prefix + name, shape),
    linear: (name, inputs, outputs) => parts.linear(prefix + name, inputs, outputs),
    lookup: (name, rows, width) => parts.lookup(prefix + name, rows, width),
  };
}
