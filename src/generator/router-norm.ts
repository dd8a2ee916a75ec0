/** @file The norm in the router: BatchNorm over the logits (eq. 3), and the other readings of `routerNorm`. */
import { add, constant, div, less, mean, mul, reshape, size, sqrt, sub, transpose, where } from "../graph/build.ts";
import { divDims, mulDims } from "../graph/dims.ts";
import type { Dim, Node } from "../graph/types.ts";
import type { Parts } from "../nn/parts.ts";
import type { GeneratorConfig } from "./config.ts";
import { type PairShape, parameterNames } from "./parameters.ts";

/** Running statistics decide at inference (one prompt has no spread); in training the batch's, unless `routerStatistics` says otherwise. */
export type RouterMode = { readonly training: boolean; readonly buffers: Readonly<Record<string, Node>> };

type Normed = { readonly out: Node; readonly next: Readonly<Record<string, Node>> };

export type NormContext = {
  readonly shape: Pick<PairShape, "edge" | "generator">;
  readonly parameters: Parts["weight"];
  readonly mode: RouterMode;
};

const epsilon = 1e-5;
const nameOf = parameterNames.router;

/**
 * From the hidden layer (scopes, rows, width) through the second linear map to the normed logits (scopes, rows, n), and what the
 * running statistics become, by buffer name.
 */
type RouterNorm = (hidden: Node, f2: (x: Node) => Node, context: NormContext) => Normed;

export const routerNorms: { readonly [N in GeneratorConfig["routerNorm"]]: RouterNorm } = {
  batch: (hidden, f2, context) => batchNorm(f2(hidden), context),
  batchHidden: (hidden, f2, context) => {
    const { out, next } = batchNorm(hidden, context);
    return { out: f2(out), next };
  },
  layer: (hidden, f2, context) => ({ out: layerNorm(f2(hidden), context), next: {} }),
  none: (hidden, f2) => ({ out: f2(hidden), next: {} }),
};

/** Rows of one router (1, p·L, d) as the rows of each layer (L, p, d) where those are normed apart, and back. */
function regroup({ edge, generator }: NormContext["shape"]) {
  if (generator.routerScope === "layer" || generator.routerNormScope === "shared")
    return { apart: (x: Node) => x, together: (x: Node) => x };
  return {
    apart: (x: Node) => {
      const [, rows, width] = x.shape as [1, Dim, number];
      return transpose(reshape(x, [divDims(rows, edge.layers)!, edge.layers, width]), [1, 0, 2]);
    },
    together: (x: Node) => {
      const [layers, prompts, width] = x.shape as [number, Dim, number];
      return reshape(transpose(x, [1, 0, 2]), [1, mulDims(prompts, layers), width]);
    },
  };
}

/** Statistics of the batch in training, unless the configuration says otherwise; running ones at inference. */
function batchNorm(given: Node, { shape, parameters, mode: { training, buffers } }: NormContext): Normed {
  const { apart, together } = regroup(shape);
  const x = apart(given);
  const names = { mean: nameOf("norm.mean"), variance: nameOf("norm.variance") };
  const running = { mean: buffers[names.mean]!, variance: buffers[names.variance]! };
  const batchMean = mean(x, [1], { keepDims: true });
  const centred = sub(x, batchMean);
  const batchVariance = mean(mul(centred, centred), [1], { keepDims: true });
  const { routerMomentum, routerStatistics } = shape.generator;
  const ofBatch = training && routerStatistics === "batch";
  const [mu, variance] = ofBatch ? [batchMean, batchVariance] : [running.mean, running.variance];
  const normed = div(sub(x, mu), sqrt(add(variance, constant(epsilon))));
  const out = together(withGainAndBias(normed, parameters));
  if (!ofBatch)
    return { out, next: training ? { [names.mean]: running.mean, [names.variance]: running.variance } : {} };
  const blend = (before: Node, now: Node) =>
    add(mul(before, constant(1 - routerMomentum)), mul(now, constant(routerMomentum)));
  // The running variance is the unbiased one, as in PyTorch: n/(n − 1) of what normalises the batch.
  const rows = size([x.shape[1]!]);
  const correction = where(less(rows, constant(1.5)), constant(1), div(rows, sub(rows, constant(1))));
  const unbiased = mul(batchVariance, correction);
  return {
    out,
    next: { [names.mean]: blend(running.mean, batchMean), [names.variance]: blend(running.variance, unbiased) },
  };
}

/** Of every row's own n logits: no batch has a part in it. */
function layerNorm(given: Node, { shape, parameters }: NormContext): Node {
  const { apart, together } = regroup(shape);
  const x = apart(given);
  const centred = sub(x, mean(x, [2], { keepDims: true }));
  const variance = mean(mul(centred, centred), [2], { keepDims: true });
  return together(withGainAndBias(div(centred, sqrt(add(variance, constant(epsilon)))), parameters));
}

const withGainAndBias = (x: Node, parameters: Parts["weight"]): Node =>
  add(mul(x, parameters(nameOf("norm.weight"), [])), parameters(nameOf("norm.bias"), []));
