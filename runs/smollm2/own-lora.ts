/** @file Data and configuration of a LoRA for one task alone, which reads no prompt: what the task can reach in this model at all. */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeJsonFile } from "../../src/base/json-file.ts";
import type { Rng } from "../../src/base/rng.ts";
import { writeEpisodes } from "../../src/data/episode.ts";
import type { Pair } from "./dressing.ts";

const queriesPerPrompt = 5;
const longestInput = 160;
/** At most so many groups are for validation, and at most a tenth of all. */
const validationPrompts = 32;
const rowTokens = 192;

export type OwnLora = { readonly batch: number; readonly steps: number; readonly rate: number };

const Run = z.looseObject({ optimizer: z.looseObject({}) });

/**
 * Writes FOLDER/{train,validation}.jsonl and FOLDER/lora-BATCH-RATE.json for `loragen train --config`.
 * @param pairs inputs with the task's answers; long inputs are left out
 * @returns the configuration's path
 * @throws where there are too few pairs for one batch and a validation
 */
export async function writeOwnLora(
  folder: string,
  pairs: readonly Pair[],
  rng: Rng,
  { batch, steps, rate }: OwnLora,
): Promise<string> {
  const queries = rng.shuffle(pairs.filter(({ input }) => input.length <= longestInput));
  const groups = Array.from({ length: Math.floor(queries.length / queriesPerPrompt) }, (_, i) => ({
    family: "own",
    prompt: "-",
    queries: queries.slice(i * queriesPerPrompt, (i + 1) * queriesPerPrompt),
  }));
  const kept = Math.min(validationPrompts, Math.floor(groups.length / 10));
  if (kept < batch)
    throw new Error(`${folder}: expected ${10 * batch * queriesPerPrompt} pairs or more, found ${queries.length}`);
  await mkdir(folder, { recursive: true });
  const files = { train: join(folder, "train.jsonl"), validation: join(folder, "validation.jsonl") };
  await writeEpisodes(files.validation, groups.slice(0, kept));
  await writeEpisodes(files.train, groups.slice(kept));
  const text = readFileSync(new URL("config/prompt-free.json", import.meta.url), "utf8");
  const { listShare: _, ...shared } = Run.parse(JSON.parse(text));
  const config = join(folder, `lora-${batch}-${rate}.json`);
  await writeJsonFile(config, {
    ...shared,
    rowTokens,
    output: join(folder, `run-${batch}-${rate}`),
    steps,
    batch,
    lora: { rank: 16, alpha: 16 },
    optimizer: { ...shared.optimizer, learningRate: rate, finalShare: 0, warmupSteps: 5 },
    episodes: files,
    validateEvery: 20,
    validationBatches: Math.floor(kept / batch),
  });
  return config;
}
