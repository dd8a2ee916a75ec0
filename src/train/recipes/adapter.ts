/** @file Training any adapter on answers: a LoRA's batches and loss, and what a run by rewards can train as what is trained. */
import { z } from "zod";
import { frozenSources } from "../../models/frozen-model.ts";
import { adaptedSpec, frozenPrefix } from "../adapted-step.ts";
import { answers, common, edgeKeys, refinePromptFree } from "../config.ts";
import { answerBatches, drawnBatches, promptedBatches } from "../edge-batch.ts";
import { targetOf } from "../generator-step.ts";
import type { Job, Opening } from "../job.ts";
import { Adapter, openLearner } from "../learner.ts";
import { openEdge } from "../open-frozen.ts";
import { edgeNames, type Recipe } from "./recipe.ts";

export const AdapterRun = z
  .strictObject({
    kind: z.literal("adapter"),
    ...common,
    ...answers,
    ...edgeKeys,
    /** What is trained. */
    adapter: Adapter,
    /** Whether the model reads the task's prompt, or inputs alone. */
    prompted: z.boolean().default(false),
  })
  .superRefine(refinePromptFree);

export type AdapterRun = z.infer<typeof AdapterRun>;

export const adapter: Recipe<AdapterRun> = {
  schema: AdapterRun,
  names: edgeNames,
  open,
};

async function open(config: AdapterRun, { edge: baseName }: AdapterRun, opening?: Opening): Promise<Job> {
  const { edge, source } = await openEdge(config);
  const { adaptation, weights, start, save, warnings } = await openLearner(config, edge, baseName, opening);
  const { optimizer, recompute } = config;
  return {
    spec: { ...adaptedSpec(edge, adaptation, targetOf(config), optimizer, optimizer.maxGradientNorm), recompute },
    weights: { ...frozenSources(edge, frozenPrefix), ...weights },
    start,
    ...drawnBatches(
      config.prompted
        ? promptedBatches(config, source, edge.config)
        : answerBatches(config, source, edge.config.context),
    ),
    warnings,
    save,
  };
}
