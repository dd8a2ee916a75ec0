/** @file `train`: a configuration file to a finished run. */
import { readJsonFile } from "../base/json-file.ts";
import type { Logger } from "../base/log.ts";
import type { ResolveModel } from "../hub/resolve.ts";
import type { Opening } from "./job.ts";
import { type LoopContext, type TrainingResult, trainLoop } from "./loop.ts";
import { openRun, TrainConfig } from "./recipes/table.ts";

export type RunContext = LoopContext & {
  /** Finds what `model`, `cloud`, `edge` and `tokenizer` name; without it they are paths. */
  readonly resolveModel?: ResolveModel;
} & Pick<Opening, "runCode">;

/** Reads the configuration, opens all it names, trains. Throws E_CONFIG before anything is written. */
export async function runTraining(
  configPath: string,
  { resolveModel = async (name) => name, runCode, ...context }: RunContext,
): Promise<TrainingResult & { readonly output: string }> {
  const config = await readJsonFile(configPath, TrainConfig, { code: "E_CONFIG" });
  const { signal, log } = context;
  const job = await openRun(config, resolveModel, { signal, onPreparing: tenthsOn(log), runCode });
  const result = await trainLoop(config, job, context);
  return { ...result, output: config.output };
}

/** Says each tenth of what is prepared. */
function tenthsOn({ info }: Logger): NonNullable<Opening["onPreparing"]> {
  let told = -1;
  return (what, done, total) => {
    const tenth = Math.floor((10 * done) / total);
    if (tenth > told) info(`${what}: ${done} of ${total}`);
    told = tenth;
  };
}
