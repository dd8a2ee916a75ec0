/** @file Trainings of Transformer² as pages need them: trained where they are not yet. One that ends without a result is a result too. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../../../src/base/atomic-file.ts";
import { AppError } from "../../../src/base/errors.ts";
import { readJsonFile, writeJsonFile } from "../../../src/base/json-file.ts";
import { writeTaskFamilies } from "../../../src/data/family-file.ts";
import { expertFileName } from "../../../src/svf/expert-file.ts";
import { askedTask } from "../../transformer2/draw.ts";
import { familyFile } from "../../transformer2/families.ts";
import { configOf, kindOf, nameOf, stepsOf, type Training } from "../../transformer2/trainings.ts";
import type { Context } from "../row.ts";
import { trainRun } from "../trained-run.ts";
import { openPlace } from "./place.ts";

export type Trained = {
  readonly training: Training;
  readonly name: string;
  /** The run's folder. */
  readonly folder: string;
  /** What it gave, where it did not fail: a file of factors, or an adapter's folder. */
  readonly result: string;
  /** Its name as a method of an evaluation. */
  readonly method: string;
  /** Of all its steps, those of earlier commands among them. */
  readonly seconds: number;
  /** Why there is nothing to ask: rewards that never differed, or numbers that were none any more. */
  readonly failed?: string;
};

/** How a run may end that is no fault of who started it. */
const failures: readonly string[] = ["E_DATA", "E_NAN"];

/** @throws as `trainRun` and `openPlace` */
export async function trained(training: Training, context: Context): Promise<Trained> {
  const place = await openPlace(context);
  const name = nameOf(training);
  const folder = join(place.runs, `${name}-${stepsOf(training, context.budget)}`);
  const { task, shots } = training;
  if (shots !== undefined) {
    const family = place.families[task];
    // What is known of the task are these examples alone: they also say which state is the best.
    const { examples } = askedTask(family, { split: "test", items: 1 });
    const own = examples.slice(0, shots);
    const path = familyFile(place.data, task, shots);
    if (!existsSync(path))
      await writeTaskFamilies(path, [
        { ...family, name: `${task}-${shots}-shots`, train: own, validation: own, test: [] },
      ]);
  }
  const isExpert = kindOf(training.adapter) === "svf";
  const result = join(folder, isExpert ? expertFileName : "adapter");
  const known = { training, name, folder, result, method: `${isExpert ? "svf" : "lora"}:${folder}` };
  const failure = `${folder}.failed`;
  const before = await secondsOf(folder);
  if (existsSync(failure)) return { ...known, seconds: before, failed: await readFile(failure, "utf8") };
  const from = performance.now();
  const config = configOf(training, context.budget, { ...place.model, data: place.data, output: folder });
  const isDone = existsSync(result);
  let failed: string | undefined;
  try {
    await trainRun({ name, output: folder, config, result }, context);
  } catch (error) {
    if (!(error instanceof AppError && failures.includes(error.code) && existsSync(join(folder, "log.jsonl"))))
      throw error;
    failed = error.message.replace(/\. Last good checkpoint: .*$/, ""); // a page has no paths
    await writeFileAtomic(failure, failed);
  } finally {
    if (!isDone) await writeJsonFile(costOf(folder), { seconds: before + (performance.now() - from) / 1000 });
  }
  return { ...known, seconds: await secondsOf(folder), ...(failed === undefined ? {} : { failed }) };
}

const Cost = z.strictObject({ seconds: z.number() });
const costOf = (folder: string): string => `${folder}.cost.json`;
const secondsOf = async (folder: string): Promise<number> =>
  existsSync(costOf(folder)) ? (await readJsonFile(costOf(folder), Cost)).seconds : 0;

/** Several, one after the other. */
export async function trainedAll(trainings: readonly Training[], context: Context): Promise<Trained[]> {
  const all: Trained[] = [];
  for (const training of trainings) all.push(await trained(training, context));
  return all;
}
