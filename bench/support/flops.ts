/** @file Counting the useful arithmetic of a training step: matrix products alone, 2·m·k·n each. */
import type { ExpertTarget } from "../../src/generator/config.ts";
import { targetSize } from "../../src/generator/parameters.ts";
import { bindDims, evaluateDim } from "../../src/graph/bind.ts";
import { leavesOf, topological } from "../../src/graph/tree.ts";
import { type Dim, type Graph, isOp, type Node } from "../../src/graph/types.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import type { Feeds } from "../../src/runtime/session.ts";
import type { Problem } from "./problem.ts";

export type Work = { readonly formula: string; readonly gigaFlops: number };

/** All matrices that a token is multiplied by: the tied head once, an embedding that is only looked up not at all. */
export function matrixParameters(config: ModelConfig): number {
  let count = 0;
  for (const [name, shape] of parameterShapes(config)) {
    const isLookup = name === "model.embed_tokens.weight" && !config.tied;
    if (shape.length === 2 && !isLookup) count += shape[0]! * shape[1]!;
  }
  return count;
}

/** Forward, and backward with respect to activations and weights. Attention is counted in full, not only below the diagonal. */
export function fullStepWork({ config, rows, time }: Problem): Work {
  const tokens = rows * time;
  const matrices = matrixParameters(config);
  const width = config.heads * config.headDim;
  return {
    formula: `6·N·tokens + 12·L·T·d·tokens with N = ${matrices} (all matrices, the tied head once), L = ${config.layers}, T = ${time}, d = ${width}, tokens = ${tokens}`,
    gigaFlops: (6 * matrices * tokens + 12 * config.layers * time * width * tokens) / 1e9,
  };
}

export const expertTargetNames = ["gate", "up", "down"] as const satisfies readonly ExpertTarget[];

/**
 * Frozen weights are passed forwards and, for activations alone, backwards; the mixture's factors are trained. Nothing
 * flows below the first layer's experts, so its attention and its gate and up matrices are passed forwards only.
 */
export function expertStepWork({ config, rows, time, experts }: Problem): Work {
  if (experts === undefined) throw new Error("internal: a problem without experts");
  const tokens = rows * time;
  const forward = matrixParameters(config);
  const width = config.heads * config.headDim;
  const keys = config.kvHeads * config.headDim;
  const below = config.hidden * (2 * width + 2 * keys) + 2 * config.hidden * config.ffn;
  const stacked = experts.count * experts.rank;
  const perLayer = expertTargetNames.reduce((total, target) => {
    const { inputs, outputs } = targetSize(config, target);
    return total + stacked * (inputs + outputs);
  }, 0);
  const mixture = 6 * perLayer * config.layers - 2 * 2 * stacked * config.hidden;
  const attention = (12 * config.layers - 8) * time * width;
  return {
    formula: `(2·N + 2·(N − N₀) + M + A)·tokens with N = ${forward} (all matrices and the head), N₀ = ${below} (q, k, v, o, gate, up of the first layer: no gradient passes them), M = 6·L·Σ n·r·(in + out) − 4·n·r·d = ${mixture} (mixture on ${expertTargetNames.join(", ")}), A = (12·L − 8)·T·d = ${attention}, tokens = ${tokens}`,
    gigaFlops: ((4 * forward - 2 * below + mixture + attention) * tokens) / 1e9,
  };
}

/** Every matrix product of a graph, in GFLOP, for checking the formulas. Row sums written as products (a side of 1) are left out. */
export function graphProducts(graph: Graph, feeds: Feeds): number {
  const facts = [...leavesOf(graph, "input")].flatMap(([what, { shape }]) => {
    const fed = feeds[what]; // moments and scalars carry no symbols
    return fed === undefined ? [] : [{ what, shape, sizes: fed.shape }];
  });
  const sizes = bindDims(facts);
  let total = 0;
  for (const node of topological(Object.values(graph.outputs))) {
    const inner = innerDim(node);
    const shape = node.shape.map((dim) => evaluateDim(dim, sizes));
    if (inner === undefined || shape.at(-1) === 1 || shape.at(-2) === 1) continue;
    total += 2 * evaluateDim(inner, sizes) * shape.reduce((x, y) => x * y, 1);
  }
  return total / 1e9;
}

/** The length of the inner products of a matrix product; undefined for other nodes. */
function innerDim(node: Node): Dim | undefined {
  if (isOp(node, "matmulNBits")) return (node as Node<"matmulNBits">).params.k;
  if (!isOp(node, "matmul")) return undefined;
  return node.inputs[0]!.shape.at((node as Node<"matmul">).params.transA ? -2 : -1)!;
}
