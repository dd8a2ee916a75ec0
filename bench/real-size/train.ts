/** @file One step of a generator's experts over a full-size frozen edge model, as in `train-1b`. */
import { join } from "node:path";
import type { ModelConfig } from "../../src/models/config.ts";
import { expertProblem } from "../support/expert-problem.ts";
import type { Problem } from "../support/problem.ts";

/** The problem over the fp32 weights of a directory. */
export const trainingProblem = (
  name: string,
  directory: string,
  config: ModelConfig,
  { rows, time }: { readonly rows: number; readonly time: number },
): Promise<Problem> =>
  expertProblem({
    name: `real-size-${name}`,
    seed: name,
    config,
    rows,
    time,
    weights: join(directory, "model.safetensors"),
  });
