/** @file One LoRA as what is trained beside a frozen model. */
import type { ExpertTarget } from "../generator/config.ts";
import { type AdaptedPair, droppedInput, wholeInput } from "../generator/dropout.ts";
import type { ParameterInfo } from "../generator/parameters.ts";
import { type LowRank, transpose } from "../lora/low-rank.ts";
import type { ModelConfig } from "../models/config.ts";
import { linearName, linearSize, ownMaps, requireMaps } from "../models/parameters.ts";
import { withLora } from "../nn/lora.ts";
import type { Adaptation } from "./adapted-step.ts";

export type LoraShape = {
  readonly edge: ModelConfig;
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly ExpertTarget[];
};

const names = (map: string) => ({ a: `${map}.lora_A`, b: `${map}.lora_B` }) as const;

const mapsOf = ({ edge, targets }: LoraShape) =>
  Array.from({ length: edge.layers }, (_, layer) =>
    ownMaps(edge, layer, targets).map((target) => ({
      map: linearName(edge, layer, target),
      ...linearSize(edge, target),
    })),
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

/** @param dropout share of what the adapter reads that is dropped; 0: no noise */
export function loraAdaptation(shape: LoraShape, dropout = 0): Adaptation {
  const adapted = new Set(mapsOf(shape).map(({ map }) => map));
  return {
    parameters: loraParameters(shape),
    adapt: (parameters, tokens) => {
      const reads = dropout === 0 ? wholeInput : droppedInput(adaptedEdge(shape), "edge", tokens!, dropout);
      return (name, plain) => {
        if (!adapted.has(name)) return plain;
        const sides = { a: parameters[names(name).a]!, b: parameters[names(name).b]! };
        return (x) => withLora(() => plain(x), sides, shape.alpha / shape.rank)(reads(name, x));
      };
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
