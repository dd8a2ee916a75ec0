/** @file Training a skill of Transformer² on answers: a LoRA's batches and loss, factors of singular values as what is trained. */
import { join } from "node:path";
import { z } from "zod";
import type { Rng } from "../../base/rng.ts";
import { frozenSources } from "../../models/frozen-model.ts";
import { openModel } from "../../models/model-file.ts";
import { requireEmbeddings } from "../../pair/pair.ts";
import { mappedOrHeld } from "../../runtime/weight-memory.ts";
import { expertFileName } from "../../svf/expert-file.ts";
import { loadTokenizer } from "../../text/tokenizer-file.ts";
import { adaptedSpec, frozenPrefix } from "../adapted-step.ts";
import { answers, common, path, refinePromptFree, Svf } from "../config.ts";
import { drawGroups, edgeFeeds } from "../edge-batch.ts";
import { targetOf } from "../generator-step.ts";
import type { Job, Opening } from "../job.ts";
import { openSvf, saveSvf, startSvf } from "../svf-model.ts";
import { svfAdaptation, svfSources } from "../svf-step.ts";
import { type BatchPlace, openTaskSource } from "../task-batches.ts";
import type { Recipe } from "./recipe.ts";

export const SvfRun = z
  .strictObject({
    kind: z.literal("svf"),
    ...common,
    ...answers,
    /** The frozen model: a directory or a GGUF file. Its weights are decomposed where they are not yet. */
    edge: path,
    /** Its tokenizer; left out, the one beside or inside the model. */
    tokenizer: path.optional(),
    svf: Svf.prefault({}),
  })
  .superRefine(refinePromptFree);

export type SvfRun = z.infer<typeof SvfRun>;

export const svf: Recipe<SvfRun> = { schema: SvfRun, names: { edge: "model", tokenizer: "tokenizer" }, open };

async function open(config: SvfRun, _: SvfRun, opening?: Opening): Promise<Job> {
  const edge = await openModel(config.edge);
  const tokenizer = await loadTokenizer(config.tokenizer ?? config.edge);
  requireEmbeddings(config.edge, edge.config, tokenizer);
  const source = await openTaskSource(config, tokenizer, config.layout);
  const { shape, warnings } = await openSvf(edge, config.svf, opening);
  const { optimizer, recompute } = config;
  const spec = adaptedSpec(edge, svfAdaptation(shape), targetOf(config), optimizer, optimizer.maxGradientNorm);
  const batch = (rng: Rng, place: BatchPlace) =>
    edgeFeeds(config, source, drawGroups(config, source, rng, place), edge.config.context);
  return {
    spec: { ...spec, recompute },
    weights: await mappedOrHeld({ ...frozenSources(edge, frozenPrefix), ...svfSources(shape) }),
    start: () => startSvf(shape, config.seed),
    batch: ({ rng, index }) => batch(rng, { split: "train", index }),
    validation: ({ rng, index }) => batch(rng, { split: "validation", index }),
    warnings,
    save: (state) => saveSvf(join(config.output, expertFileName), edge, shape, state, config),
  };
}
