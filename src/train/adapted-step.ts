/** @file Training what stands beside the linear maps of a frozen edge model that reads no prompts: a generator's training without a generator. */
import type { ParameterInfo } from "../generator/parameters.ts";
import type { Node } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { type FrozenModel, frozenParts } from "../models/frozen-model.ts";
import { type Linear, type Parts, wrapLinear } from "../nn/parts.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import { rowInputs } from "./batch.ts";
import { answerLoss, edgePrefix, type Target, weighFor } from "./generator-step.ts";
import type { StepSpec } from "./step.ts";

/** What is trained. */
export type Adaptation = {
  readonly parameters: ReadonlyMap<string, ParameterInfo>;
  /** The map to use in place of a plain one; `tokens` (b, t) are those that the model reads, needed where some of it is dropped. */
  readonly adapt: (
    parameters: Readonly<Record<string, Node>>,
    tokens?: Node,
  ) => (name: string, plain: Linear, inputs: number, outputs: number) => Linear;
  /** Parameters without weight decay. */
  readonly undecayed?: ReadonlySet<string> | undefined;
};

/** A frozen model without its values. Its weights are named `edge.…`. */
export type FrozenShape = Omit<FrozenModel, "weights" | "adapter"> & { readonly config: ModelConfig };

export const frozenPrefix = "edge.";

/** The frozen model, and the one that is trained. */
export function adaptedParts(
  edge: FrozenShape,
  { adapt }: Adaptation,
  parameters: Readonly<Record<string, Node>>,
  tokens: Node,
): { readonly plain: Parts; readonly student: Parts } {
  const plain = frozenParts(edge, frozenPrefix);
  return { plain, student: wrapLinear(plain, adapt(parameters, tokens)) };
}

export function adaptedSpec(
  edge: FrozenShape,
  adaptation: Adaptation,
  target: Target,
  optimizer: AdamWConfig,
  maxGradientNorm: number,
): StepSpec {
  const { parameters: infos, undecayed } = adaptation;
  return {
    parameters: new Map([...infos].map(([name, info]) => [name, info.shape])),
    ...(undecayed === undefined ? {} : { undecayed }),
    weigh: weighFor(target),
    optimizer,
    maxGradientNorm,
    objective: (parameters) => {
      const batch = rowInputs(edgePrefix);
      const { plain, student } = adaptedParts(edge, adaptation, parameters, batch.tokens);
      return answerLoss(edge.config, student, plain, target, batch);
    },
  };
}
