/** @file Training a generator over a frozen pair, end to end: prompts through the cloud model, answers through the edge model. */

import { balanceLoss, expertLoad } from "../generator/balance.ts";
import { cloudInputs, cloudParts, metaHidden } from "../generator/cloud.ts";
import { droppedInput } from "../generator/dropout.ts";
import { generations } from "../generator/generations.ts";
import {
  generatorBuffers,
  generatorParameters,
  isGainOrBias,
  isOfExperts,
  type PairShape,
  type ParameterInfo,
} from "../generator/parameters.ts";
import { add, flattenRows, gather, input, mean, scale } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { embed, forward, forwardView, type LayerCache, logits, viewOf } from "../models/decoder.ts";
import { frozenParts, type KeptBlocks } from "../models/frozen-model.ts";
import type { Quantization } from "../models/quantized/layout.ts";
import { klPerRow, meanCrossEntropy } from "../nn/loss.ts";
import type { Parts } from "../nn/parts.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import { isPlain, totalWeight, type Weighing, weighedLoss } from "./answer-weights.ts";
import { type RowInputs, rowInputs, supervisedTokens } from "./batch.ts";
import type { Objective, StepSpec } from "./step.ts";

/** What the edge is taught: the given answers, all tokens alike or weighed, or to match the prompted edge model's distribution (KL), or a share of both. */
export type Target =
  | { readonly kind: "answers" }
  | { readonly kind: "weighed" }
  | { readonly kind: "distill"; readonly share: number };

/** What a share of distillation and the weights of answers mean. */
export function targetOf({ distillShare, ...weighing }: Weighing & { readonly distillShare: number }): Target {
  if (distillShare > 0) return { kind: "distill", share: distillShare };
  return { kind: isPlain(weighing) ? "answers" : "weighed" };
}

/** How much a micro-batch counts among those of a step. */
export const weighFor = ({ kind }: Target): NonNullable<StepSpec["weigh"]> =>
  (kind === "weighed" ? totalWeight : supervisedTokens)(edgePrefix);

/** What of a generator a run trains; the rest stays as it is, the router's running statistics among it. */
export const trainedParts = ["all", "experts"] as const;
export type Trained = (typeof trainedParts)[number];

const isTrained: { readonly [T in Trained]: (name: string) => boolean } = {
  all: () => true,
  experts: isOfExperts,
};

export type GeneratorStepOptions = {
  /** Which parameters are trained: all, or those that make up the experts. */
  readonly trains?: Trained;
  /** Off: running statistics, no noise. */
  readonly training?: boolean;
  /** Share of what the adapters read that is dropped in training. */
  readonly dropout?: number;
  /** Which of the frozen models are quantised. */
  readonly quantized?: { readonly cloud?: Quantization | undefined; readonly edge?: Quantization | undefined };
  /** Which of their weights are held in blocks of their own. */
  readonly blocks?: { readonly cloud?: KeptBlocks | undefined; readonly edge?: KeptBlocks | undefined };
  /** Whether both read the same weights, which are the edge's. */
  readonly isOneModel?: boolean;
};

export const edgePrefix = "edge";
/** (b) i64: the prompt each edge row belongs to. */
export const promptOfName = "edge.prompt_of";
export const teacherPrefix = "teacher";
const answersDim = `${edgePrefix}_answers`;
const shapesOf = (infos: ReadonlyMap<string, ParameterInfo>) =>
  new Map([...infos].map(([name, { shape }]) => [name, shape] as const));

/** The cloud's frozen weights are named `cloud.…`, the edge's `edge.…`; those of one model in both roles `edge.…`. */
export function generatorSpec(
  shape: PairShape,
  target: Target,
  optimizer: AdamWConfig,
  maxGradientNorm: number,
  options: GeneratorStepOptions = {},
): StepSpec {
  const parameters = [...shapesOf(generatorParameters(shape))];
  const { trains = "all" } = options;
  return {
    parameters: new Map(parameters.filter(([name]) => isTrained[trains](name))),
    held: new Map(parameters.filter(([name]) => !isTrained[trains](name))),
    undecayed: new Set([...generatorParameters(shape).keys()].filter(isGainOrBias)),
    buffers: shapesOf(generatorBuffers(shape)),
    weigh: weighFor(target),
    optimizer,
    maxGradientNorm,
    objective: (parameters, buffers) => objective(shape, target, (name) => parameters[name]!, buffers, options),
  };
}

function objective(
  shape: PairShape,
  target: Target,
  parameters: Parts["weight"],
  buffers: Readonly<Record<string, Node>>,
  {
    training = true,
    trains = "all",
    dropout = 0,
    quantized = {},
    blocks = {},
    isOneModel = false,
  }: GeneratorStepOptions,
): Objective {
  const prompts = cloudInputs(shape.edge.layers, { joined: true });
  const rate = training ? dropout : 0;
  // Where the experts alone learn, gates are what inference predicts: no dropout, no noise, statistics that stay.
  const learnsGates = trains === "all";
  const edge = frozenParts({ config: shape.edge, quantization: quantized.edge, blocks: blocks.edge }, "edge.");
  const ofCloud = { config: shape.cloud, quantization: quantized.cloud, blocks: blocks.cloud };
  const frozenCloud = isOneModel ? edge : frozenParts(ofCloud, "cloud.");
  const cloud = cloudParts(
    shape,
    frozenCloud,
    parameters,
    droppedInput(shape, "cloud", prompts.tokens, learnsGates ? rate : 0),
  );
  const hidden = metaHidden(shape, cloud, parameters, prompts);
  const promptOf = input(promptOfName, [`${edgePrefix}_rows`], "i64");
  const batch = rowInputs(edgePrefix);
  const reads = droppedInput(shape, "edge", batch.tokens, rate);
  const { parts, routing } = generations[shape.generator.generation].adapt({
    shape,
    frozen: edge,
    parameters,
    hidden,
    promptOf,
    reads,
    mode: { training: training && learnsGates, buffers },
  });
  const answers = answerLoss(shape.edge, parts, edge, target, batch);
  if (routing === undefined) return answers;
  const balance = balanceLoss(shape.generator, routing);
  return {
    loss: add(answers.loss, balance),
    metrics: {
      answerLoss: answers.loss,
      ...answers.metrics,
      balanceLoss: balance,
      expertLoad: expertLoad(shape.generator, routing),
    },
    buffers: training && !learnsGates ? buffers : routing.buffers,
  };
}

/**
 * Of the adapted model, on queries without their prompts; `plain` is the model that teaches where there is distillation.
 * @param prefix what the queries of each row see in front of them, (rows or 1, kvHeads, p, headDim) in each layer, or what it convolves (rows or 1, p, hidden)
 */
export function answerLoss(
  config: ModelConfig,
  student: Parts,
  plain: Parts,
  target: Target,
  { tokens, rows, targets, segments }: RowInputs,
  prefix?: readonly LayerCache[],
): Objective {
  const embedded = embed(config, student, tokens);
  const hidden = forwardView(config, student, embedded, { ...viewOf(embedded, segments), prefix });
  const predicted = logits(config, student, gather(flattenRows(hidden), rows));
  if (target.kind === "weighed") return weighedLoss(edgePrefix, predicted, targets);
  const exact = meanCrossEntropy(predicted, targets);
  if (target.kind === "answers") return { loss: exact };
  const prompted = rowInputs(teacherPrefix, answersDim); // the same answers in the same order, behind the prompt
  const teacher = logits(
    config,
    plain,
    gather(
      flattenRows(forward(config, plain, embed(config, plain, prompted.tokens), prompted.segments)),
      prompted.rows,
    ),
  );
  return { loss: add(scale(exact, 1 - target.share), scale(mean(klPerRow(teacher, predicted)), target.share)) };
}
