/** @file `train`: a configuration file to a finished run. */
import { readJsonFile } from "../base/json-file.ts";
import type { ResolveModel } from "../hub/resolve.ts";
import { type LoopContext, type TrainingResult, trainLoop } from "./loop.ts";
import { openRun, TrainConfig } from "./recipes/table.ts";

export type RunContext = LoopContext & {
  /** Finds what `model`, `cloud`, `edge` and `tokenizer` name; without it they are paths. */
  readonly resolveModel?: ResolveModel;
};

/** Reads the configuration, opens all it names, trains. Throws E_CONFIG before anything is written. */
export async function runTraining(
  configPath: string,
  { resolveModel = async (name) => name, ...context }: RunContext,
): Promise<TrainingResult & { readonly output: string }> {
  const config = await readJsonFile(configPath, TrainConfig, { code: "E_CONFIG" });
  const result = await trainLoop(config, await openRun(config, resolveModel), context);
  return { ...result, output: config.output };
}
