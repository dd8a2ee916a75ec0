/** @file AdamW (Loshchilov & Hutter 2019) as a graph: (parameter, gradient, moments) → (parameter, moments). */
import { add, constant, div, mul, sqrt, sub } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";

export type AdamWConfig = {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** For parameters that decay: gains and biases do not. */
  readonly weightDecay: number;
};

/** Scalars that change from step to step, computed on the host and fed. */
export type AdamWScalars = {
  /** 1 − learning rate · weight decay */
  readonly keep: Node;
  /** learning rate · √(1 − β₂ᵗ) / (1 − β₁ᵗ) */
  readonly stepSize: Node;
  /** ε · √(1 − β₂ᵗ) */
  readonly epsilon: Node;
};

export type Moments = { readonly m: Node; readonly v: Node };

export type AdamWStep = {
  readonly parameter: Node;
  readonly gradient: Node;
  readonly moments: Moments;
  /** A scalar that multiplies the gradient, folded into the moments so that no clipped copy is made. */
  readonly clip: Node;
  readonly scalars: AdamWScalars;
  readonly config: AdamWConfig;
  /** Whether weight decay applies; by default to all but vectors. */
  readonly decays?: boolean;
};

/** One update. */
export function adamw({
  parameter: p,
  gradient: g,
  moments: { m, v },
  clip,
  scalars,
  config,
  decays = p.shape.length > 1,
}: AdamWStep): Moments & { readonly p: Node } {
  const { beta1, beta2 } = config;
  const nextM = add(mul(m, constant(beta1)), mul(g, mul(clip, constant(1 - beta1))));
  const nextV = add(mul(v, constant(beta2)), mul(mul(g, g), mul(mul(clip, clip), constant(1 - beta2))));
  const kept = config.weightDecay > 0 && decays ? mul(p, scalars.keep) : p;
  const step = div(mul(nextM, scalars.stepSize), add(sqrt(nextV), scalars.epsilon));
  return { p: sub(kept, step), m: nextM, v: nextV };
}

/** The fed scalars of step t (from 1). */
export function adamwScalars(
  step: number,
  learningRate: number,
  config: AdamWConfig,
): { keep: number; stepSize: number; epsilon: number } {
  const correction1 = 1 - config.beta1 ** step;
  const correction2 = Math.sqrt(1 - config.beta2 ** step);
  return {
    keep: 1 - learningRate * config.weightDecay,
    stepSize: (learningRate * correction2) / correction1,
    epsilon: config.epsilon * correction2,
  };
}
