/** @file All recipes by the kind of run, and the configuration file that names one. */
import { z } from "zod";
import type { ResolveModel } from "../../hub/resolve.ts";
import type { RunConfig } from "../config.ts";
import type { Job, Opening } from "../job.ts";
import { AdapterRun, adapter } from "./adapter.ts";
import { CompressorRun, compressor } from "./compressor.ts";
import { GeneratorRun, generator } from "./generator.ts";
import { LanguageModelRun, languageModel } from "./language-model.ts";
import { LoraRun, lora } from "./lora.ts";
import { PrefixRun, prefix } from "./prefix.ts";
import type { Recipe } from "./recipe.ts";
import { ReinforceRun, reinforce } from "./reinforce.ts";
import { SvfRun, svf } from "./svf.ts";
import { LoramoeRun, loramoe, MixloraRun, mixlora } from "./token-experts.ts";

/** The configuration of a training run, one JSON file. */
export const TrainConfig = z.discriminatedUnion("kind", [
  LanguageModelRun,
  GeneratorRun,
  LoraRun,
  SvfRun,
  ReinforceRun,
  AdapterRun,
  LoramoeRun,
  MixloraRun,
  PrefixRun,
  CompressorRun,
]);
export type TrainConfig = z.infer<typeof TrainConfig>;

type Kind = TrainConfig["kind"];

export const recipes: { readonly [K in Kind]: Recipe<Extract<TrainConfig, { kind: K }>> } = {
  "language-model": languageModel,
  generator,
  lora,
  svf,
  reinforce,
  adapter,
  loramoe,
  mixlora,
  prefix,
  compressor,
};

/** Reads all that a run needs, with paths in the place of names. Throws before anything is written. */
export async function openRun(config: TrainConfig, resolve: ResolveModel, opening: Opening = {}): Promise<Job> {
  const { names, open } = recipes[config.kind] as Recipe<RunConfig>;
  const found: Record<string, string> = {};
  for (const [key, part] of Object.entries(names)) {
    const name = (config as Readonly<Record<string, unknown>>)[key];
    if (typeof name === "string") found[key] = await resolve(name, part as "model" | "tokenizer");
  }
  return open({ ...config, ...found }, config, opening);
}
