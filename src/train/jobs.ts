/** @file What each kind of training is made by. */
import type { TrainConfig } from "./config.ts";
import { generatorJob } from "./generator-job.ts";
import { languageModelJob } from "./language-model-job.ts";
import type { Job } from "./loop.ts";
import { loraJob } from "./lora-job.ts";

type Kind = TrainConfig["kind"];
type ConfigOf<K extends Kind> = Extract<TrainConfig, { kind: K }>;

const jobs: { readonly [K in Kind]: (config: ConfigOf<K>, named: ConfigOf<K>) => Promise<Job> } = {
  "language-model": languageModelJob,
  generator: generatorJob,
  lora: (config, named) => loraJob(config, named.edge),
};

/**
 * Reads all that a run needs. Throws before anything is written.
 * @param named the same configuration with its models as the user names them
 */
export const openJob = <K extends Kind>(config: ConfigOf<K>, named: ConfigOf<K>): Promise<Job> =>
  (jobs[config.kind as K] as (typeof jobs)[K])(config, named);
