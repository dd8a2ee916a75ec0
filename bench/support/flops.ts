/** @file Counting the useful arithmetic of a training step: matrix products alone, 2·m·k·n each. */
import type { ExpertTarget } from "../../src/generator/config.ts";
import { bindDims } from "../../src/graph/bind.ts";
import { productFlops } from "../../src/graph/products.ts";
import { leavesOf } from "../../src/graph/tree.ts";
import type { Graph } from "../../src/graph/types.ts";
import { architectures } from "../../src/models/architectures/index.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { linearMaps, linearSize, parameterShapes } from "../../src/models/parameters.ts";
import type { Feeds } from "../../src/runtime/session.ts";
import type { Problem } from "./problem.ts";

export type Work = { readonly formula: string; readonly gigaFlops: number };

/** All matrices that a token is multiplied by: the tied head once, an embedding that is only looked up not at all. */
export function matrixParameters(config: ModelConfig): number {
  const { embedding, positions } = architectures[config.modelType];
  let count = 0;
  for (const [name, shape] of parameterShapes(config)) {
    const isPositions = positions !== "rotary" && name === positions.name;
    const isLookup = isPositions || (name === embedding && !config.tied);
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

/** The maps of the feed-forward block, which experts adapt. */
export const expertTargetNames = (config: ModelConfig): ExpertTarget[] =>
  linearMaps(config).filter((target) => target === "gate" || target === "up" || target === "down");

/**
 * Frozen weights are passed forwards and, for activations alone, backwards; the mixture's factors are trained. Nothing
 * flows below the first layer's experts, so its attention and all its matrices but the last are passed forwards only.
 */
export function expertStepWork({ config, rows, time, experts }: Problem): Work {
  if (experts === undefined) throw new Error("internal: a problem without experts");
  const tokens = rows * time;
  const forward = matrixParameters(config);
  const width = config.heads * config.headDim;
  const keys = config.kvHeads * config.headDim;
  const targets = expertTargetNames(config);
  const first = targets.length - 1; // those that read what enters the block
  const below = config.hidden * (2 * width + 2 * keys) + first * config.hidden * config.ffn;
  const stacked = experts.count * experts.rank;
  const perLayer = targets.reduce((total, target) => {
    const { inputs, outputs } = linearSize(config, target);
    return total + stacked * (inputs + outputs);
  }, 0);
  const mixture = 6 * perLayer * config.layers - 2 * first * stacked * config.hidden;
  const attention = (12 * config.layers - 8) * time * width;
  return {
    formula: `(2·N + 2·(N − N₀) + M + A)·tokens with N = ${forward} (all matrices and the head), N₀ = ${below} (q, k, v, o, ${targets.slice(0, -1).join(", ")} of the first layer: no gradient passes them), M = 6·L·Σ n·r·(in + out) − ${2 * first}·n·r·d = ${mixture} (mixture on ${targets.join(", ")}), A = (12·L − 8)·T·d = ${attention}, tokens = ${tokens}`,
    gigaFlops: ((4 * forward - 2 * below + mixture + attention) * tokens) / 1e9,
  };
}

/** Every matrix product of a graph as it runs, in GFLOP. */
export function graphProducts(graph: Graph, feeds: Feeds): number {
  const facts = [...leavesOf(graph, "input")].flatMap(([what, { shape }]) => {
    const fed = feeds[what]; // moments and scalars carry no symbols
    return fed === undefined ? [] : [{ what, shape, sizes: fed.shape }];
  });
  return productFlops(graph, bindDims(facts)) / 1e9;
}
