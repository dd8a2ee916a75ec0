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
import { openModel } from "../../models/model-file.ts";
import { requireEmbeddings } from "../../pair/pair.ts";
import type { Feeds } from "../../runtime/session.ts";
import { floatTensor } from "../../runtime/tensor.ts";
import { mappedOrHeld } from "../../runtime/weight-memory.ts";
import { loadTokenizer } from "../../text/tokenizer-file.ts";
import { adaptedSpec, frozenPrefix } from "../adapted-step.ts";
import { common, path, promptFree, refinePromptFree, Weights } from "../config.ts";
import { drawGroups, edgeFeeds } from "../edge-batch.ts";
import { edgePrefix, targetOf } from "../generator-step.ts";
import type { Job } from "../job.ts";
import { adaptedEdge, type LoraShape, loraAdaptation, loraParameters, trainedAdapter } from "../lora-step.ts";
import { openingOf } from "../open-frozen.ts";
import { parametersOf, type TrainingState } from "../state.ts";
import { stepNames } from "../step.ts";
import { type BatchPlace, openTaskSource } from "../task-batches.ts";
import type { Recipe } from "./recipe.ts";

export const LoraRun = z
  .strictObject({
    kind: z.literal("lora"),
    ...common,
    ...promptFree,
    /** The frozen model: a directory or a GGUF file. */
    edge: path,
    /** Its tokenizer; left out, the one beside or inside the model. */
    tokenizer: path.optional(),
    /** The adapter; its change of a weight is (alpha/rank)·B·A. */
    lora: z
      .strictObject({
        rank: z.int().min(1).max(1024).default(16),
        alpha: z.number().positive().default(16),
        targets: ExpertTargets,
      })
      .prefault({}),
    /** How the frozen model is held: as it is, or quantised when the run begins. */
    weights: z.strictObject({ edge: Weights.default("f32") }).prefault({}),
  })
  .superRefine(refinePromptFree);

export type LoraRun = z.infer<typeof LoraRun>;

export const lora: Recipe<LoraRun> = {
  schema: LoraRun,
  names: { edge: "model", tokenizer: "tokenizer" },
  open,
};

/** The adapter names its base model as the user does. */
async function open(config: LoraRun, { edge: baseName }: LoraRun): Promise<Job> {
  const edge = await openModel(config.edge, openingOf(config.weights.edge));
  const tokenizer = await loadTokenizer(config.tokenizer ?? config.edge);
  requireEmbeddings(config.edge, edge.config, tokenizer);
  const source = await openTaskSource(config, tokenizer, config.layout);
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
  const batch = (rng: Rng, place: BatchPlace) =>
    edgeFeeds(config, source, drawGroups(config, source, rng, place), edge.config.context);
  const noise = (feeds: Feeds, rng: Rng) => {
    const read = feeds[`${edgePrefix}.tokens`]!.shape as readonly [number, number];
    return dropoutFeeds(adaptedEdge(shape), "edge", read, rng);
  };
  return {
    spec: spec(true),
    evaluation: spec(false),
    weights: await mappedOrHeld(frozenSources(edge, frozenPrefix)),
    prepack: isCoded(edge),
    start: () => startLora(config, shape),
    batch: ({ rng, index }) => {
      const feeds = batch(rng, { split: "train", index });
      return config.dropout === 0 ? feeds : { ...feeds, ...noise(feeds, rng) };
    },
    validation: ({ rng, index }) => batch(rng, { split: "validation", index }),
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
