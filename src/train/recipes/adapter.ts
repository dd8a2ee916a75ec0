/** @file Training any adapter on answers: a LoRA's batches and loss, and what a run by rewards can train as what is trained. */
import { z } from "zod";
import type { Rng } from "../../base/rng.ts";
import { frozenSources } from "../../models/frozen-model.ts";
import { openModel } from "../../models/model-file.ts";
import { requireEmbeddings } from "../../pair/pair.ts";
import { mappedOrHeld } from "../../runtime/weight-memory.ts";
import { loadTokenizer } from "../../text/tokenizer-file.ts";
import { adaptedSpec, frozenPrefix } from "../adapted-step.ts";
import { answers, common, path, refinePromptFree } from "../config.ts";
import { drawGroups, edgeFeeds } from "../edge-batch.ts";
import { targetOf } from "../generator-step.ts";
import type { Job, Opening } from "../job.ts";
import { Adapter, openLearner } from "../learner.ts";
import { type BatchPlace, openTaskSource } from "../task-batches.ts";
import type { Recipe } from "./recipe.ts";

export const AdapterRun = z
  .strictObject({
    kind: z.literal("adapter"),
    ...common,
    ...answers,
    /** The frozen model: a directory or a GGUF file. */
    edge: path,
    /** Its tokenizer; left out, the one beside or inside the model. */
    tokenizer: path.optional(),
    /** What is trained. */
    adapter: Adapter,
  })
  .superRefine(refinePromptFree);

export type AdapterRun = z.infer<typeof AdapterRun>;

export const adapter: Recipe<AdapterRun> = {
  schema: AdapterRun,
  names: { edge: "model", tokenizer: "tokenizer" },
  open,
};

async function open(config: AdapterRun, { edge: baseName }: AdapterRun, opening?: Opening): Promise<Job> {
  const edge = await openModel(config.edge);
  const tokenizer = await loadTokenizer(config.tokenizer ?? config.edge);
  requireEmbeddings(config.edge, edge.config, tokenizer);
  const source = await openTaskSource(config, tokenizer, config.layout);
  const { adaptation, weights, start, save, warnings } = await openLearner(config, edge, baseName, opening);
  const { optimizer, recompute } = config;
  const batch = (rng: Rng, place: BatchPlace) =>
    edgeFeeds(config, source, drawGroups(config, source, rng, place), edge.config.context);
  return {
    spec: { ...adaptedSpec(edge, adaptation, targetOf(config), optimizer, optimizer.maxGradientNorm), recompute },
    weights: await mappedOrHeld({ ...frozenSources(edge, frozenPrefix), ...weights }),
    start,
    batch: ({ rng, index }) => batch(rng, { split: "train", index }),
    validation: ({ rng, index }) => batch(rng, { split: "validation", index }),
    warnings,
    save,
  };
}
