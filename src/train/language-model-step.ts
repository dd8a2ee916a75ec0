/** @file Training a language model: next tokens of text, or answers of instructions. */
import { flattenRows, gather } from "../graph/build.ts";
import type { ModelConfig } from "../models/config.ts";
import { embed, forward, logits } from "../models/decoder.ts";
import { parameterShapes } from "../models/parameters.ts";
import { meanCrossEntropy } from "../nn/loss.ts";
import { denseParts, frozenWeights } from "../nn/parts.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import { rowInputs, supervisedTokens } from "./batch.ts";
import type { StepSpec } from "./step.ts";

export const languageModelPrefix = "text";

/** All weights trainable; `isolate` hides the sequences joined in a row from each other. The loss is the mean cross-entropy over the supervised positions. */
export function languageModelSpec(
  config: ModelConfig,
  optimizer: AdamWConfig,
  maxGradientNorm: number,
  { isolate = true } = {},
): StepSpec {
  return {
    parameters: parameterShapes(config),
    weigh: supervisedTokens(languageModelPrefix),
    optimizer,
    maxGradientNorm,
    objective: (parameters) => {
      const frozen = frozenWeights(); // only the rotary tables
      const parts = denseParts((name, shape) => parameters[name] ?? frozen(name, shape));
      const { tokens, rows, targets, segments } = rowInputs(languageModelPrefix);
      const hidden = forward(config, parts, embed(config, parts, tokens), isolate ? segments : undefined);
      return { loss: meanCrossEntropy(logits(config, parts, gather(flattenRows(hidden), rows)), targets) };
    },
  };
}
