/** @file The model of a skill's training: decomposed, at its start, and what training made of it. */
import { createRng } from "../base/rng.ts";
import { svdFolder, svdSource, svfMaps } from "../models/decomposable.ts";
import type { Model } from "../models/model.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { writeExpert } from "../svf/expert-file.ts";
import { openBasis } from "../svf/svd-cache.ts";
import type { RunConfig, SvfConfig } from "./config.ts";
import type { Opening } from "./job.ts";
import { parametersOf, type TrainingState } from "./state.ts";
import { stepNames } from "./step.ts";
import { type SvfShape, svfForms, svfStart, trainedFactors } from "./svf-step.ts";

/** What a configuration says of a skill, with the model decomposed where it is not yet. Throws as `openBasis`. */
export async function openSvf(
  model: Model,
  { maps, rank, form, cache }: SvfConfig,
  { signal, onPreparing }: Opening = {},
): Promise<{ readonly shape: SvfShape; readonly warnings: readonly string[] }> {
  const warnings: string[] = [];
  const { basis } = await openBasis(svdSource(model, svfMaps(model.config, maps)), {
    folder: cache ?? svdFolder(model),
    signal,
    onProgress: (done, total) => onPreparing?.("decomposing the model", done, total),
    onDamaged: (why) => void warnings.push(`${why}; it was made again`),
  });
  return { shape: { basis, rank, form }, warnings };
}

export const startSvf = (shape: SvfShape, seed: number): TrainingState =>
  Object.fromEntries(
    [...svfStart(shape, createRng(seed).split("initial svf"))].map(([name, values]) => [
      stepNames.parameter(name),
      floatTensor([values.length], values),
    ]),
  );

/** Writes what was trained as a skill, with how that was done. */
export async function saveSvf(
  path: string,
  { sha256 }: Model,
  shape: SvfShape,
  state: TrainingState,
  by: Pick<RunConfig, "seed" | "steps"> & { readonly kind: string; readonly svf: SvfConfig },
): Promise<void> {
  const { kind, seed, steps, svf } = by;
  await writeExpert(path, {
    modelSha256: sha256,
    scales: trainedFactors(shape, parametersOf(state)),
    renormalize: svfForms[shape.form].renormalize,
    madeBy: {
      by: kind,
      maps: svf.maps,
      rank: String(svf.rank ?? "all"),
      form: svf.form,
      seed: String(seed),
      steps: String(steps),
    },
  });
}
