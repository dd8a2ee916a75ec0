/** @file Training a skill of Transformer² on answers: a LoRA's batches and loss, factors of singular values as what is trained. */
import { join } from "node:path";
import { z } from "zod";
import { frozenSources } from "../../models/frozen-model.ts";
import { expertFileName } from "../../svf/expert-file.ts";
import { adaptedSpec, frozenPrefix } from "../adapted-step.ts";
import { answers, common, edgeKeys, refinePromptFree, Svf } from "../config.ts";
import { answerBatches, drawnBatches } from "../edge-batch.ts";
import { targetOf } from "../generator-step.ts";
import type { Job, Opening } from "../job.ts";
import { openEdge } from "../open-frozen.ts";
import { openSvf, saveSvf, startSvf } from "../svf-model.ts";
import { svfAdaptation, svfSources } from "../svf-step.ts";
import { edgeNames, type Recipe } from "./recipe.ts";

export const SvfRun = z
  .strictObject({
    kind: z.literal("svf"),
    ...common,
    ...answers,
    ...edgeKeys,
    /** Its weights are decomposed where they are not yet. */
    svf: Svf.prefault({}),
  })
  .superRefine(refinePromptFree);

export type SvfRun = z.infer<typeof SvfRun>;

export const svf: Recipe<SvfRun> = { schema: SvfRun, names: edgeNames, open };

async function open(config: SvfRun, _: SvfRun, opening?: Opening): Promise<Job> {
  const { edge, source } = await openEdge(config);
  const { shape, warnings } = await openSvf(edge, config.svf, opening);
  const { optimizer, recompute } = config;
  const spec = adaptedSpec(edge, svfAdaptation(shape), targetOf(config), optimizer, optimizer.maxGradientNorm);
  return {
    spec: { ...spec, recompute },
    weights: { ...frozenSources(edge, frozenPrefix), ...svfSources(shape) },
    start: () => startSvf(shape, config.seed),
    ...drawnBatches(answerBatches(config, source, edge.config.context)),
    warnings,
    save: (state) => saveSvf(join(config.output, expertFileName), edge, shape, state, config),
  };
}
