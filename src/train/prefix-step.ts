/** @file Prefix tuning (Li and Liang 2021): keys and values of positions in front of the input are what is trained, the model stays as it is. */
import { type Prefix, prefixInputs } from "../decode/prefix.ts";
import { add, constant, reshape } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import type { LayerCache } from "../models/decoder.ts";
import { frozenParts } from "../models/frozen-model.ts";
import { convolves } from "../models/parameters.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import { type FrozenShape, frozenPrefix } from "./adapted-step.ts";
import { rowInputs } from "./batch.ts";
import { answerLoss, edgePrefix, type Target, weighFor } from "./generator-step.ts";
import type { ParameterShapes, StepSpec } from "./step.ts";

type Names = { readonly k: string; readonly v: string } | { readonly inputs: string };
const names = (layer: number) =>
  ({ k: `prefix.${layer}.k`, v: `prefix.${layer}.v`, inputs: `prefix.${layer}.inputs` }) as const;

/** The tensors of each layer: keys and values, or what a convolution reads. */
const layersOf = (config: ModelConfig): Names[] =>
  Array.from({ length: config.layers }, (_, layer) => {
    const { k, v, inputs } = names(layer);
    return convolves(config, layer) ? { inputs } : { k, v };
  });

/** (kvHeads, positions, headDim) for keys and for values of each layer; (`prefixInputs`, hidden) of one that convolves. */
export function prefixShapes(config: ModelConfig, positions: number): ParameterShapes {
  const { kvHeads, headDim, hidden } = config;
  const shape = { inputs: [prefixInputs(config, positions), hidden], keys: [kvHeads, positions, headDim] };
  return new Map(
    layersOf(config).flatMap((layer): [string, readonly number[]][] =>
      "inputs" in layer
        ? [[layer.inputs, shape.inputs]]
        : [
            [layer.k, shape.keys],
            [layer.v, shape.keys],
          ],
    ),
  );
}

export type PrefixStep = {
  readonly edge: FrozenShape;
  readonly positions: number;
  readonly target: Target;
  readonly optimizer: AdamWConfig & { readonly maxGradientNorm: number };
};

export function prefixSpec({ edge, positions, target, optimizer }: PrefixStep): StepSpec {
  const { config } = edge;
  return {
    parameters: prefixShapes(config, positions),
    weigh: weighFor(target),
    optimizer,
    maxGradientNorm: optimizer.maxGradientNorm,
    objective: (parameters) => {
      const batch = rowInputs(edgePrefix);
      const plain = frozenParts(edge, frozenPrefix);
      const ofRows = (name: string): Node => reshape(parameters[name]!, [1, ...parameters[name]!.shape]);
      const prefix = layersOf(config).map(
        (layer): LayerCache =>
          "inputs" in layer ? { inputs: ofRows(layer.inputs) } : { k: ofRows(layer.k), v: ofRows(layer.v) },
      );
      const behind = add(batch.segments.positions, constant(positions, [], "i64"));
      const segments = { ...batch.segments, positions: behind };
      return answerLoss(config, plain, plain, target, { ...batch, segments }, prefix);
    },
  };
}

/** The prefix that trained values are. */
export const trainedPrefix = (
  config: ModelConfig,
  positions: number,
  values: ReadonlyMap<string, Float32Array>,
): Prefix => ({
  positions,
  layers: layersOf(config).map((layer) =>
    "inputs" in layer ? { inputs: values.get(layer.inputs)! } : { k: values.get(layer.k)!, v: values.get(layer.v)! },
  ),
});

/** The values that a prefix is, by their names. */
export const prefixValues = ({ layers }: Prefix): Map<string, Float32Array> =>
  new Map(
    layers.flatMap((values, layer) =>
      Object.entries(values).map(([part, data]) => [names(layer)[part as keyof ReturnType<typeof names>], data]),
    ),
  );
