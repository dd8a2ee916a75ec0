/** @file Dropout from fed noise: a run that feeds the same noise drops the same values. */
import { add, constant, less, mul, reshape, where } from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";

/** Uniform in [0, 1). */
export type DropoutNoise = {
  /** (b, t) */
  readonly tokens: Node;
  /** (d) */
  readonly features: Node;
};

/**
 * Zero with probability `rate`, else x / (1 − rate): the mean stays. x (b, t, d).
 *
 * Value (t, i) is dropped where the fractional part of u_t + v_i is below the rate. That is uniform for every value and independent
 * for every two, at the price of b·t + d random numbers instead of b·t·d.
 */
export function dropout(x: Node, { tokens, features }: DropoutNoise, rate: number): Node {
  const [batch, time] = x.shape as [Dim, Dim, Dim];
  const sum = add(reshape(tokens, [batch, time, 1]), features); // in [0, 2)
  const keepsFrom = (start: number) => where(less(sum, constant(start + rate)), constant(0), constant(1 / (1 - rate)));
  return mul(x, where(less(sum, constant(1)), keepsFrom(0), keepsFrom(1)));
}
