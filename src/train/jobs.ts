/** @file What each kind of training is made by. */
import type { TrainConfig } from "./config.ts";
import { generatorJob } from "./generator-job.ts";
import { languageModelJob } from "./language-model-job.ts";
import type { Job } from "./loop.ts";

/** Reads all that a run needs. Throws before anything is written. */
export async function openJob(config: TrainConfig): Promise<Job> {
  return config.kind === "language-model" ? languageModelJob(config) : generatorJob(config);
}
