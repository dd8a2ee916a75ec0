/** @file A run over a frozen edge model whose learned tensors end in one file: what the recipes of such methods share. */
import { join } from "node:path";
import { frozenSources, isCoded } from "../models/frozen-model.ts";
import { learnedFileName, writeLearned } from "../models/learned-file.ts";
import type { Model } from "../models/model.ts";
import { frozenPrefix } from "./adapted-step.ts";
import { type DrawSplit, drawnBatches } from "./edge-batch.ts";
import type { Job } from "./job.ts";
import { parametersOf, startState } from "./state.ts";
import type { StepSpec } from "./step.ts";

export type LearnedJob = {
  /** The run's folder. */
  readonly output: string;
  readonly edge: Model;
  /** Written beside the tensors. */
  readonly settings: object;
  /** Of the learned tensors, by name. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly spec: StepSpec;
  /** Values before the first step. */
  readonly start: () => ReadonlyMap<string, Float32Array> | Promise<ReadonlyMap<string, Float32Array>>;
  readonly batch: DrawSplit;
};

export async function learnedJob({ output, edge, settings, shapes, spec, start, batch }: LearnedJob): Promise<Job> {
  return {
    spec,
    weights: frozenSources(edge, frozenPrefix),
    prepack: isCoded(edge),
    start: async () => startState(await start(), shapes),
    ...drawnBatches(batch),
    save: (state) =>
      writeLearned(
        join(output, learnedFileName),
        { modelSha256: edge.sha256, settings, tensors: parametersOf(state) },
        shapes,
      ),
  };
}
