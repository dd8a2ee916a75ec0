/** @file Gates over a frozen pool of experts as what is trained: one specialisation, from labelled examples. */
import { gateCount } from "../generator/generations.ts";
import type { PairShape } from "../generator/parameters.ts";
import { input, reshape } from "../graph/build.ts";
import { frozenParts } from "../models/frozen-model.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import { poolParameters, requirePool } from "../pair/gated-edge.ts";
import type { Feeds } from "../runtime/session.ts";
import { intTensor } from "../runtime/tensor.ts";
import { type FrozenShape, frozenPrefix } from "./adapted-step.ts";
import { type Row, rowFeeds, rowInputs, supervisedTokens } from "./batch.ts";
import { answerLoss, edgePrefix, promptOfName } from "./generator-step.ts";
import type { StepSpec } from "./step.ts";

export const gatesName = "gates";

/** Cross-entropy of answers by gates (L, n), or (L, 2n). Frozen weights are named `edge.…` and as `poolSources` has them. Throws E_CONFIG. */
export function gatesSpec(edge: FrozenShape, shape: PairShape, optimizer: AdamWConfig): StepSpec {
  const size = [shape.edge.layers, gateCount(shape)] as const;
  const adapt = requirePool({ shape });
  return {
    parameters: new Map([[gatesName, size]]),
    undecayed: new Set([gatesName]),
    weigh: supervisedTokens(edgePrefix),
    optimizer,
    maxGradientNorm: 1,
    objective: (parameters) => {
      const plain = frozenParts(edge, frozenPrefix);
      const student = adapt({
        shape,
        frozen: plain,
        parameters: poolParameters(shape),
        gates: reshape(parameters[gatesName]!, [1, ...size]),
        promptOf: input(promptOfName, [`${edgePrefix}_rows`], "i64"),
      });
      return answerLoss(edge.config, student, plain, { kind: "answers" }, rowInputs(edgePrefix));
    },
  };
}

/** A batch of rows that all have the same gates. */
export const gatesFeeds = (rows: readonly Row[], padId: number): Feeds => ({
  ...rowFeeds(edgePrefix, rows, padId),
  [promptOfName]: intTensor(
    [rows.length],
    rows.map(() => 0),
  ),
});
