/** @file `train`: a configuration file to a finished run. */
import { readJsonFile } from "../base/json-file.ts";
import { TrainConfig } from "./config.ts";
import { openJob } from "./jobs.ts";
import { type LoopContext, type TrainingResult, trainLoop } from "./loop.ts";

/** Reads the configuration, opens all it names, trains. Throws E_CONFIG before anything is written. */
export async function runTraining(
  configPath: string,
  context: LoopContext,
): Promise<TrainingResult & { readonly output: string }> {
  const config = await readJsonFile(configPath, TrainConfig, { code: "E_CONFIG" });
  const result = await trainLoop(config, await openJob(config), context);
  return { ...result, output: config.output };
}
