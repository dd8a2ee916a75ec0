/** @file Training one LoRA over a frozen edge model that reads no prompts: what a generator's training is without a generator. */
import type { ExpertTarget } from "../generator/config.ts";
import { type AdaptedPair, droppedInput } from "../generator/dropout.ts";
import type { ParameterInfo } from "../generator/parameters.ts";
import { type LowRank, transpose } from "../lora/low-rank.ts";
import type { ModelConfig } from "../models/config.ts";
import { frozenParts, type KeptBlocks } from "../models/frozen-model.ts";
import { linearName, linearSize, requireMaps } from "../models/parameters.ts";
import type { Quantization } from "../models/quantized/layout.ts";
import { withLora } from "../nn/lora.ts";
import { wrapLinear } from "../nn/parts.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import { rowInputs, supervisedTokens } from "./batch.ts";
import { answerLoss, edgePrefix, type Target } from "./generator-step.ts";
import type { StepSpec } from "./step.ts";

export type LoraShape = {
  readonly edge: ModelConfig;
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly ExpertTarget[];
};

export type LoraStepOptions = {
  /** Off: no noise. */
  readonly training?: boolean;
  /** Share of what the adapter reads that is dropped in training. */
  readonly dropout?: number;
  /** How the edge model is quantised. */
  readonly quantization?: Quantization | undefined;
  /** Which of its weights are held in blocks of their own. */
  readonly blocks?: KeptBlocks | undefined;
};

const names = (map: string) => ({ a: `${map}.lora_A`, b: `${map}.lora_B` }) as const;

const mapsOf = ({ edge, targets }: LoraShape) =>
  Array.from({ length: edge.layers }, (_, layer) =>
    targets.map((target) => ({ map: linearName(edge, layer, target), ...linearSize(edge, target) })),
  ).flat();

/** A (r, in) starts as a generator's experts do, B (out, r) at zero. Throws E_CONFIG for targets that the model does not have. */
export function loraParameters(shape: LoraShape): Map<string, ParameterInfo> {
  requireMaps(shape.edge, shape.targets);
  const found = new Map<string, ParameterInfo>();
  for (const { map, inputs, outputs } of mapsOf(shape)) {
    found.set(names(map).a, { shape: [shape.rank, inputs], start: "kaiming" });
    found.set(names(map).b, { shape: [outputs, shape.rank], start: "zero" });
  }
  return found;
}

/** What dropout is told: an edge model alone. */
export const adaptedEdge = ({ edge, targets }: LoraShape): AdaptedPair => ({
  cloud: edge,
  edge,
  generator: { targets: [...targets], cloudTargets: [] },
});

/** The frozen weights are named `edge.…`. */
export function loraSpec(
  shape: LoraShape,
  target: Target,
  optimizer: AdamWConfig,
  maxGradientNorm: number,
  { training = true, dropout = 0, quantization, blocks }: LoraStepOptions = {},
): StepSpec {
  const adapted = new Set(mapsOf(shape).map(({ map }) => map));
  return {
    parameters: new Map([...loraParameters(shape)].map(([name, info]) => [name, info.shape])),
    weigh: supervisedTokens(edgePrefix),
    optimizer,
    maxGradientNorm,
    objective: (parameters) => {
      const prefix = "edge.";
      const plain = frozenParts({ config: shape.edge, quantization, blocks }, prefix);
      const batch = rowInputs(edgePrefix);
      const reads = droppedInput(adaptedEdge(shape), "edge", batch.tokens, training ? dropout : 0);
      const student = wrapLinear(plain, (name, linear) => {
        if (!adapted.has(name)) return linear;
        const sides = { a: parameters[names(name).a]!, b: parameters[names(name).b]! };
        return (x) => withLora(() => linear(x), sides, shape.alpha / shape.rank)(reads(name, x));
      });
      return { loss: answerLoss(shape.edge, student, plain, target, batch) };
    },
  };
}

/** The adapter that trained values are, α/r folded in. */
export function trainedAdapter(shape: LoraShape, values: ReadonlyMap<string, Float32Array>): Map<string, LowRank> {
  const { rank, alpha } = shape;
  return new Map(
    mapsOf(shape).map(({ map, inputs, outputs }) => {
      const b = transpose(values.get(names(map).b)!, outputs, rank).map((value) => (value * alpha) / rank);
      return [`${map}.weight`, { rank, inputs, outputs, a: values.get(names(map).a)!, b }];
    }),
  );
}
