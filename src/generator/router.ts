/** @file The router: meta hidden states to gates. Linear, SiLU, linear, BatchNorm (eq. 3); softmax, KeepTop-K, renormalised (eq. 5). */
import {
  add,
  constant,
  div,
  input,
  less,
  matmul,
  mean,
  mul,
  reshape,
  silu,
  size,
  softmax,
  sqrt,
  sub,
  sum,
  topKMask,
  transpose,
  where,
} from "../graph/build.ts";
import { mulDims } from "../graph/dims.ts";
import type { Dim, Node } from "../graph/types.ts";
import { cvSquared } from "../nn/loss.ts";
import type { Parts } from "../nn/parts.ts";
import type { GeneratorConfig } from "./config.ts";
import { type PairShape, parameterNames } from "./parameters.ts";

export type Routing = {
  /** (p, L, n): the gates of eq. 5, K of them above zero in every row. */
  readonly gates: Node;
  /** (p, L, n): softmax over all experts. */
  readonly probabilities: Node;
  /** New running statistics, by buffer name; empty outside training. */
  readonly buffers: Readonly<Record<string, Node>>;
};

/** Names of what training feeds besides the batch. */
export const routerInputs = { gumbel: "router.gumbel", blend: "router.blend" } as const;

/** Batch statistics are used and updated in training, running ones at inference (one prompt has no spread). AMB-4. */
export type RouterMode = { readonly training: boolean; readonly buffers: Readonly<Record<string, Node>> };

const normEpsilon = 1e-5;

/** (p, L, d) → (scopes, rows, d): all rows through one router, or each layer through its own. */
function toScopes(x: Node, config: GeneratorConfig): Node {
  const [prompts, layers, width] = x.shape as [Dim, number, Dim];
  if (config.routerScope === "shared") return reshape(x, [1, mulDims(prompts, layers), width]);
  return transpose(x, [1, 0, 2]);
}

function fromScopes(x: Node, prompts: Dim, layers: number, config: GeneratorConfig): Node {
  if (config.routerScope === "shared") return reshape(x, [prompts, layers, x.shape[2]!]);
  return transpose(x, [1, 0, 2]);
}

/** SiLU(f1(H)): (scopes, rows, hidden). */
export function routerHiddenStates(config: GeneratorConfig, parameters: Parts["weight"], hidden: Node): Node {
  const get = (part: Parameters<typeof parameterNames.router>[0]) => parameters(parameterNames.router(part), []);
  return silu(add(matmul(toScopes(hidden, config), get("f1.weight"), { transB: true }), get("f1.bias")));
}

function batchNorm(x: Node, config: GeneratorConfig, parameters: Parts["weight"], { training, buffers }: RouterMode) {
  const get = (part: Parameters<typeof parameterNames.router>[0]) => parameters(parameterNames.router(part), []);
  const names = { mean: parameterNames.router("norm.mean"), variance: parameterNames.router("norm.variance") };
  const running = { mean: buffers[names.mean]!, variance: buffers[names.variance]! };
  const batchMean = mean(x, [1], { keepDims: true });
  const centred = sub(x, batchMean);
  const batchVariance = mean(mul(centred, centred), [1], { keepDims: true });
  const [mu, variance] = training ? [batchMean, batchVariance] : [running.mean, running.variance];
  const normed = div(sub(x, mu), sqrt(add(variance, constant(normEpsilon))));
  const out = add(mul(normed, get("norm.weight")), get("norm.bias"));
  const blend = (before: Node, now: Node) =>
    add(mul(before, constant(1 - config.routerMomentum)), mul(now, constant(config.routerMomentum)));
  if (!training) return { out, next: {} };
  // The running variance is the unbiased one, as in PyTorch: n/(n − 1) of what normalises the batch.
  const rows = size([x.shape[1]!]);
  const correction = where(less(rows, constant(1.5)), constant(1), div(rows, sub(rows, constant(1))));
  const unbiased = mul(batchVariance, correction);
  return {
    out,
    next: { [names.mean]: blend(running.mean, batchMean), [names.variance]: blend(running.variance, unbiased) },
  };
}

/** softmax over the K largest logits, zero elsewhere: eq. 5, in its stable form. Without renormalisation the dense softmax is cut. */
export function keepTopK(logits: Node, k: number, renormalize = true): Node {
  const mask = topKMask(logits, k);
  if (!renormalize) return mul(softmax(logits), mask);
  return softmax(where(less(constant(0.5), mask), logits, constant(-1e30)));
}

/** Gates from the meta tokens' hidden states (p, L, d). */
export function route(
  { edge, generator }: PairShape,
  parameters: Parts["weight"],
  hidden: Node,
  mode: RouterMode,
): Routing {
  const [prompts] = hidden.shape as [Dim];
  const get = (part: Parameters<typeof parameterNames.router>[0]) => parameters(parameterNames.router(part), []);
  const scoped = add(
    matmul(routerHiddenStates(generator, parameters, hidden), get("f2.weight"), { transB: true }),
    get("f2.bias"),
  );
  const normed =
    generator.routerNorm === "batch" ? batchNorm(scoped, generator, parameters, mode) : { out: scoped, next: {} };
  const logits = fromScopes(normed.out, prompts, edge.layers, generator);
  const noisy =
    generator.strategy === "gumbel" && mode.training ? add(logits, input(routerInputs.gumbel, logits.shape)) : logits;
  const probabilities = softmax(noisy);
  const kept = generator.strategy === "dense" ? probabilities : keepTopK(noisy, generator.topK, generator.renormalize);
  const gates = generator.annealSteps > 0 && mode.training ? annealed(probabilities, kept) : kept;
  return { gates, probabilities, buffers: normed.next };
}

/** Dense gates that become the kept ones as the fed blend goes from 0 to 1. */
function annealed(dense: Node, kept: Node): Node {
  const blend = input(routerInputs.blend, []);
  return add(mul(kept, blend), mul(dense, sub(constant(1), blend)));
}

/** α · CV² of how much each expert is used (eq. 7, AMB-6). */
export function balanceLoss(config: GeneratorConfig, { gates, probabilities }: Routing): Node {
  const forms: Record<GeneratorConfig["auxForm"], () => Node> = {
    batch: () => cvSquared(sum(gates, [0, 1])),
    probabilities: () => cvSquared(sum(probabilities, [0, 1])),
    perLayer: () => {
      const importance = sum(gates, [0]); // (L, n)
      const mu = mean(importance, [1], { keepDims: true });
      const centred = sub(importance, mu);
      return mean(div(mean(mul(centred, centred), [1], { keepDims: true }), add(mul(mu, mu), constant(1e-10))));
    },
  };
  return mul(forms[config.auxForm](), constant(config.auxCoefficient));
}
