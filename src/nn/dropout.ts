/** @file Dropout from fed noise: a run that feeds the same noise drops the same values. */
import { broadcast, clamp, concat, constant, matmul, mul } from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";

/** Points (cos φ, sin φ) of the unit circle, each φ uniform and independent. */
export type DropoutNoise = {
  /** (b, t, 2) */
  readonly tokens: Node;
  /** (2, d) */
  readonly features: Node;
};

/** So steep that no value comes out between 0 and 1 / (1 − rate). */
const steepness = 1e30;

/**
 * Zero with probability `rate`, else x / (1 − rate): the mean stays. x (b, t, d).
 *
 * Value (t, i) is dropped where the angle between token t's point and feature i's lies within π · rate of a half turn, that is where
 * cos φ_t cos φ_i + sin φ_t sin φ_i + cos(π · rate) < 0. That angle is uniform for every value and independent for every two, at the
 * price of b·t + d random numbers instead of b·t·d; all cosines are one product of three columns.
 */
export function dropout(x: Node, { tokens, features }: DropoutNoise, rate: number): Node {
  const [batch, time, width] = x.shape as [Dim, Dim, Dim];
  const edge = broadcast(constant(Math.cos(Math.PI * rate)), [batch, time, 1]);
  const left = concat([tokens, edge], 2);
  const right = concat([features, broadcast(constant(1), [1, width])], 0);
  return mul(x, clamp(matmul(left, right, { alpha: steepness }), 0, 1 / (1 - rate)));
}
