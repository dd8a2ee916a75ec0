/** @file Prefix tuning (Li and Liang 2021): keys and values of positions in front of the input are what is trained, the model stays as it is. */
import type { Prefix } from "../decode/prefix.ts";
import { add, constant, reshape } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { frozenParts } from "../models/frozen-model.ts";
import type { KeysValues } from "../nn/attention.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import { type FrozenShape, frozenPrefix } from "./adapted-step.ts";
import { rowInputs, supervisedTokens } from "./batch.ts";
import { answerLoss, edgePrefix, type Target } from "./generator-step.ts";
import type { ParameterShapes, StepSpec } from "./step.ts";

const names = (layer: number) => ({ k: `prefix.${layer}.k`, v: `prefix.${layer}.v` }) as const;
const layersOf = ({ layers }: ModelConfig) => Array.from({ length: layers }, (_, layer) => names(layer));

/** (kvHeads, positions, headDim) for keys and for values of each layer. */
export const prefixShapes = (config: ModelConfig, positions: number): ParameterShapes =>
  new Map(
    layersOf(config).flatMap(({ k, v }) =>
      [k, v].map((name) => [name, [config.kvHeads, positions, config.headDim]] as const),
    ),
  );

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
    weigh: supervisedTokens(edgePrefix),
    optimizer,
    maxGradientNorm: optimizer.maxGradientNorm,
    objective: (parameters) => {
      const batch = rowInputs(edgePrefix);
      const plain = frozenParts(edge, frozenPrefix);
      const ofRows = (name: string): Node => reshape(parameters[name]!, [1, config.kvHeads, positions, config.headDim]);
      const prefix: KeysValues[] = layersOf(config).map(({ k, v }) => ({ k: ofRows(k), v: ofRows(v) }));
      const behind = add(batch.segments.positions, constant(positions, [], "i64"));
      const segments = { ...batch.segments, positions: behind };
      return { loss: answerLoss(config, plain, plain, target, { ...batch, segments }, prefix) };
    },
  };
}

/** The prefix that trained values are. */
export const trainedPrefix = (
  config: ModelConfig,
  positions: number,
  values: ReadonlyMap<string, Float32Array>,
): Prefix => ({ positions, layers: layersOf(config).map(({ k, v }) => ({ k: values.get(k)!, v: values.get(v)! })) });

/** The values that a prefix is, by their names. */
export const prefixValues = (config: ModelConfig, { layers }: Prefix): Map<string, Float32Array> =>
  new Map(
    layersOf(config).flatMap(
      ({ k, v }, layer) =>
        [
          [k, layers[layer]!.k],
          [v, layers[layer]!.v],
        ] as const,
    ),
  );
