/** @file Training every weight of a Llama model on next tokens, from a problem's files. */
import { openSafetensors, readTensor } from "../../src/files/safetensors.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { ropeWeights } from "../../src/models/rope.ts";
import type { Feeds, WeightSource } from "../../src/runtime/session.ts";
import { floatTensor } from "../../src/runtime/tensor.ts";
import { rowFeeds } from "../../src/train/batch.ts";
import { languageModelPrefix, languageModelSpec } from "../../src/train/language-model-step.ts";
import type { TrainingState } from "../../src/train/state.ts";
import { type StepSpec, stepNames } from "../../src/train/step.ts";
import { type Problem, problemRows } from "./problem.ts";

/** What a trainer is made from, and the batch it steps on. */
export type Training = {
  readonly spec: StepSpec;
  readonly state: TrainingState;
  readonly weights: Readonly<Record<string, WeightSource>>;
  readonly batch: Feeds;
  /** Whether frozen weights are repacked: int8 products need it. */
  readonly prepack?: boolean;
};

export async function fullTraining(problem: Problem): Promise<Training> {
  const { config, optimizer, maxGradientNorm } = problem;
  const file = await openSafetensors(problem.weights);
  const state: TrainingState = {};
  for (const [name, shape] of parameterShapes(config))
    state[stepNames.parameter(name)] = floatTensor(shape, await readTensor(file, name));
  return {
    spec: languageModelSpec(config, optimizer, maxGradientNorm, { isolate: false }),
    state,
    weights: ropeWeights(config),
    batch: rowFeeds(languageModelPrefix, await problemRows(problem), 0),
  };
}
