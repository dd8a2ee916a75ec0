/** @file Causal grouped-query attention, in the form that has a gradient. */
import {
  add,
  broadcast,
  cast,
  constant,
  div,
  equal,
  exp,
  iota,
  less,
  matmul,
  max,
  relu,
  reshape,
  softmax,
  sub,
  sum,
  transpose,
  where,
} from "../graph/build.ts";
import { mulDims } from "../graph/dims.ts";
import type { Dim, Node } from "../graph/types.ts";
import { softCap } from "./activation.ts";

/** (b, t, heads·d) → (b, heads, t, d) */
export function splitHeads(x: Node, heads: number): Node {
  const [batch, time, width] = x.shape as [Dim, Dim, number];
  return transpose(reshape(x, [batch, time, heads, width / heads]), [0, 2, 1, 3]);
}

/** (b, heads, t, d) → (b, t, heads·d) */
export function joinHeads(x: Node): Node {
  const [batch, heads, time, width] = x.shape as [Dim, number, Dim, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, time, heads * width]);
}

/** 0, 1, … for every row: (b, t) i64 */
export function defaultPositions(batch: Dim, time: Dim): Node {
  return broadcast(reshape(iota(time), [1, time]), [batch, time]);
}

/** 0 where a query may look, −1e9 where it may not: (t, t). `window` > 0 also hides what lies further back. */
export function causalMask(time: Dim, window = 0): Node {
  const steps = cast(iota(time), "f32");
  const query = reshape(steps, [time, 1]);
  const key = reshape(steps, [1, time]);
  const future = where(less(query, key), constant(-1e9), constant(0));
  if (window === 0) return future;
  const reach = add(key, constant(window - 0.5)); // key + window > query ⇔ the key is inside the window
  return add(future, where(less(reach, query), constant(-1e9), constant(0)));
}

/** The same window where tokens do not stand in order: positions (b, t) i64, of what they see (b, s) → (b, 1, t, s), 0 where less than `window` apart. */
export function windowMask(positions: Node, window: number, seen: Node = positions): Node {
  const [batch, time] = positions.shape as [Dim, Dim];
  const query = reshape(positions, [batch, 1, time, 1]);
  const key = reshape(seen, [seen.shape[0]!, 1, 1, seen.shape[1]!]);
  return where(less(key, sub(query, constant(window - 1, [], "i64"))), constant(-1e9), constant(0));
}

/** 0 within a segment and from a segment to the one it also sees, −1e9 elsewhere: ids and sees (b, t) i64 → (b, 1, t, t). */
export function segmentMask(ids: Node, sees: Node): Node {
  const [batch, time] = ids.shape as [Dim, Dim];
  const key = reshape(ids, [batch, 1, 1, time]);
  const isSame = equal(reshape(ids, [batch, 1, time, 1]), key);
  const isSeen = equal(reshape(sees, [batch, 1, time, 1]), key);
  return where(isSame, constant(0), where(isSeen, constant(0), constant(-1e9)));
}

/** What every query of a row sees beside its own tokens, positions already in the keys: (b, kvHeads, p, d) each, or the same for all rows, b = 1. */
export type KeysValues = {
  readonly k: Node;
  readonly v: Node;
  /** Added to the scores, (b, 1, t, p): where not every query sees all of them. */
  readonly mask?: Node | undefined;
};

/**
 * softmax(softCap(q kᵀ · scale) + mask) v.
 * @param q (b, heads, t, d)
 * @param k (b, kvHeads, t, d), shared by heads/kvHeads queries each
 * @param v (b, kvHeads, t, d)
 * @param mask (t, t) or (b, 1, t, t), added to the scores
 * @param prefix keys and values in front of those of the tokens
 * @returns (b, heads, t, d)
 */
export function attend(
  q: Node,
  k: Node,
  v: Node,
  mask: Node,
  {
    scale,
    cap = 0,
    prefix,
  }: { readonly scale: number; readonly cap?: number; readonly prefix?: KeysValues | undefined },
): Node {
  const [batch, heads, time, width] = q.shape as [Dim, number, Dim, number];
  const kvHeads = k.shape[1] as number;
  // Queries that share keys are stacked along time, so keys are never repeated: (b, kvHeads, group·t, d).
  const stacked = mulDims(heads / kvHeads, time);
  const queries = reshape(q, [batch, kvHeads, stacked, width]);
  const scores = (keys: Node, count: Dim): Node =>
    softCap(reshape(matmul(queries, keys, { transB: true, alpha: scale }), [batch, heads, time, count]), cap);
  const mixture = (weights: Node, values: Node, count: Dim): Node =>
    reshape(matmul(reshape(weights, [batch, kvHeads, stacked, count]), values), q.shape);
  const own = add(scores(k, time), mask);
  if (prefix === undefined) return mixture(softmax(own), v, time);
  // Two parts of one softmax, for a symbolic length and a number do not join: both by the larger of their maxima.
  const length = prefix.k.shape[2]!;
  const unmasked = scores(prefix.k, length);
  const before = prefix.mask === undefined ? unmasked : add(unmasked, prefix.mask);
  const [high, other] = [own, before].map((part) => max(part, [-1], { keepDims: true })) as [Node, Node];
  const top = add(high, relu(sub(other, high)));
  const [ownWeights, beforeWeights] = [own, before].map((part) => exp(sub(part, top))) as [Node, Node];
  const total = add(sum(ownWeights, [-1], { keepDims: true }), sum(beforeWeights, [-1], { keepDims: true }));
  return div(add(mixture(ownWeights, v, time), mixture(beforeWeights, prefix.v, length)), total);
}
