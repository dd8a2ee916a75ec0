/** @file Training a prompt-free LoRA: a generator's batches, layout, loss and optimiser, one adapter for all prompts. */
import { join } from "node:path";
import { z } from "zod";
import { createRng, type Rng } from "../../base/rng.ts";
import { ExpertTargets } from "../../generator/config.ts";
import { dropoutFeeds } from "../../generator/dropout.ts";
import { initialValues } from "../../generator/parameters.ts";
import { writePeft } from "../../lora/peft-format.ts";
import { fusedWeights } from "../../models/checkpoint.ts";
import { frozenSources, isCoded } from "../../models/frozen-model.ts";
import type { Feeds } from "../../runtime/session.ts";
import { floatTensor } from "../../runtime/tensor.ts";
import { adaptedSpec, frozenPrefix } from "../adapted-step.ts";
import { common, heldEdgeKeys, promptFree, refinePromptFree } from "../config.ts";
import { answerBatches, drawnBatches } from "../edge-batch.ts";
import { edgePrefix, targetOf } from "../generator-step.ts";
import type { Job } from "../job.ts";
import { adaptedEdge, type LoraShape, loraAdaptation, loraParameters, trainedAdapter } from "../lora-step.ts";
import { openEdge } from "../open-frozen.ts";
import { parametersOf, type TrainingState } from "../state.ts";
import { stepNames } from "../step.ts";
import { edgeNames, type Recipe } from "./recipe.ts";

export const LoraRun = z
  .strictObject({
    kind: z.literal("lora"),
    ...common,
    ...promptFree,
    ...heldEdgeKeys,
    /** The adapter; its change of a weight is (alpha/rank)·B·A. */
    lora: z
      .strictObject({
        rank: z.int().min(1).max(1024).default(16),
        alpha: z.number().positive().default(16),
        targets: ExpertTargets,
      })
      .prefault({}),
  })
  .superRefine(refinePromptFree);

export type LoraRun = z.infer<typeof LoraRun>;

export const lora: Recipe<LoraRun> = {
  schema: LoraRun,
  names: edgeNames,
  open,
};

/** The adapter names its base model as the user does. */
async function open(config: LoraRun, { edge: baseName }: LoraRun): Promise<Job> {
  const { edge, source } = await openEdge(config);
  const shape: LoraShape = { edge: edge.config, ...config.lora };
  const spec = (training: boolean) => ({
    ...adaptedSpec(
      edge,
      loraAdaptation(shape, training ? config.dropout : 0),
      targetOf(config),
      config.optimizer,
      config.optimizer.maxGradientNorm,
    ),
    recompute: config.recompute,
  });
  const draw = answerBatches(config, source, edge.config.context);
  const noise = (feeds: Feeds, rng: Rng) => {
    const read = feeds[`${edgePrefix}.tokens`]!.shape as readonly [number, number];
    return dropoutFeeds(adaptedEdge(shape), "edge", read, rng);
  };
  return {
    spec: spec(true),
    evaluation: spec(false),
    weights: frozenSources(edge, frozenPrefix),
    prepack: isCoded(edge),
    start: () => startLora(config, shape),
    ...drawnBatches((rng, place) => {
      const feeds = draw(rng, place);
      return config.dropout === 0 || place.split === "validation" ? feeds : { ...feeds, ...noise(feeds, rng) };
    }),
    save: (state) =>
      writePeft(join(config.output, "adapter"), trainedAdapter(shape, parametersOf(state)), {
        baseName,
        fused: fusedWeights(shape.edge),
      }),
  };
}

function startLora({ seed }: LoraRun, shape: LoraShape): TrainingState {
  const infos = loraParameters(shape);
  const values = initialValues(infos, createRng(seed).split("initial lora"));
  return Object.fromEntries(
    [...infos].map(([name, info]) => [stepNames.parameter(name), floatTensor(info.shape, values.get(name)!)]),
  );
}
