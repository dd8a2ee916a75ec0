/** @file `train`: a configuration file to a finished run. */
import { readJsonFile } from "../base/json-file.ts";
import type { ResolveModel } from "../hub/resolve.ts";
import { TrainConfig } from "./config.ts";
import { openJob } from "./jobs.ts";
import { type LoopContext, type TrainingResult, trainLoop } from "./loop.ts";

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
  const result = await trainLoop(config, await openJob(await resolveModels(config, resolveModel), config), context);
  return { ...result, output: config.output };
}

/** The configuration with paths in the place of names; the one that is kept beside the results keeps the names. */
async function resolveModels(config: TrainConfig, resolve: ResolveModel): Promise<TrainConfig> {
  if (config.kind === "lora") {
    const { tokenizer } = config;
    const own = tokenizer === undefined ? undefined : await resolve(tokenizer, "tokenizer");
    return { ...config, edge: await resolve(config.edge), tokenizer: own };
  }
  if (config.kind === "generator") {
    const named = async (name: string | undefined) => (name === undefined ? undefined : resolve(name, "tokenizer"));
    const [tokenizer, cloudTokenizer] = [await named(config.tokenizer), await named(config.cloudTokenizer)];
    const [cloud, edge] = [await resolve(config.cloud), await resolve(config.edge)];
    return { ...config, cloud, edge, tokenizer, cloudTokenizer };
  }
  const { model } = config;
  const tokenizer = await resolve(config.tokenizer, "tokenizer");
  return { ...config, tokenizer, model: typeof model === "string" ? await resolve(model) : model };
}
