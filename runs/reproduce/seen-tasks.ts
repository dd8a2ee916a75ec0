/** @file Trainings over the paper's seen tasks as pages need them: trained where they are not yet, or left out where nothing may be trained. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../../src/base/atomic-file.ts";
import { readJsonFile } from "../../src/base/json-file.ts";
import { PairFile, pairFileName } from "../../src/pair/pair.ts";
import { writeInstructed, writeSets } from "../reasoning/episodes.ts";
import {
  configOf,
  folderOf,
  type GeneratorName,
  isGenerator,
  type Training,
  type TrainingPlace,
  trainings,
} from "../reasoning/trainings.ts";
import type { Context } from "./row.ts";
import { asConfigured, isTrainedVariant, type Trained, trainedPair, type Variant } from "./trained-pair.ts";
import { trainRun } from "./trained-run.ts";

/** The models of the pair, or the model alone as both; the prompts are drawn where they are not there yet. */
async function openPlace({ work, data, pair, model }: Context): Promise<Omit<TrainingPlace, "output">> {
  const drawn = join(work, "reasoning", "data");
  await writeSets(data, drawn);
  if (pair === undefined) return { cloud: model, edge: model, data: drawn };
  const file = await readJsonFile(join(pair, pairFileName), PairFile);
  const within = (name: string): string | undefined => {
    const path = join(pair, name);
    return existsSync(path) ? path : undefined;
  };
  return {
    cloud: join(pair, file.cloud),
    edge: join(pair, file.edge),
    tokenizer: within(file.tokenizer ?? "tokenizer"),
    cloudTokenizer: file.cloudTokenizer === undefined ? undefined : within(file.cloudTokenizer),
    data: drawn,
  };
}

/** Where LoraHub finds its pool: the LoRAs of one task each, side by side. */
const poolOf = ({ work, budget }: Context): string =>
  join(work, "reasoning", `pool-${trainings["lora-arc-c"].steps[budget]}`);

const outputOf = (training: Training, context: Context): string =>
  trainings[training.name].inPool
    ? join(poolOf(context), training.name)
    : join(context.work, "reasoning", "runs", folderOf(training, context.budget));

/** The configuration of a generator's run as a file: what ablations take their own from. */
export async function generatorRun(context: Context, name: GeneratorName = "generator"): Promise<string> {
  const { steps, data } = trainings[name];
  const folder = join(context.work, "reasoning");
  const place = { ...(await openPlace(context)), output: join(folder, "never") };
  if (data === "instructed") await writeInstructed(context.data, place.data);
  const path = join(folder, `${name}-${steps[context.budget]}.json`);
  const config = configOf({ name, seed: 1 }, context.budget, place);
  await writeFileAtomic(path, `${JSON.stringify(config, undefined, 2)}\n`);
  return path;
}

/** Trains a generator of the table, or finds it trained. The paper's configuration is the same one that ablations compare theirs with. */
export async function trainedGenerator(
  seed: number,
  context: Context,
  name: GeneratorName = "generator",
): Promise<Trained> {
  return trainedPair(variantOf({ name, seed }, context), await generatorRun(context, name), context);
}

function variantOf({ name, seed }: Training & { readonly name: GeneratorName }, { budget }: Context): Variant {
  const steps = trainings[name].steps[budget];
  return { ...asConfigured, ...(name === "generator" ? {} : { name }), steps, seed };
}

/** Whether there is nothing left to train of it. */
export function isTrained({ name, seed }: Training, context: Context): boolean {
  if (isGenerator(name)) return isTrainedVariant(variantOf({ name, seed }, context), context);
  return existsSync(join(outputOf({ name, seed }, context), trainings[name].result));
}

/** Trains what is no generator, or finds it trained. Returns what a method's name has behind the colon. */
export async function trainedRival(training: Training, context: Context): Promise<string> {
  const output = outputOf(training, context);
  const { result } = trainings[training.name];
  const config = configOf(training, context.budget, { ...(await openPlace(context)), output });
  const name = folderOf(training, context.budget);
  await trainRun({ name, output, config, result: join(output, result) }, context);
  return output;
}

/** Trains the LoRAs of LoraHub's pool, or finds them trained. Returns the folder they lie in. */
export async function trainedPool(pool: readonly Training[], context: Context): Promise<string> {
  for (const training of pool) await trainedRival(training, context);
  return poolOf(context);
}

/** Trains anything of the table. */
export async function trainAny({ name, seed }: Training, context: Context): Promise<void> {
  if (isGenerator(name)) await trainedGenerator(seed, context, name);
  else await trainedRival({ name, seed }, context);
}
