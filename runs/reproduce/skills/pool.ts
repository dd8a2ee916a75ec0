/** @file Skills of one kind in a folder, as the first pass and searches read them: copies of what was trained. */
import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { classifierName } from "../../../src/dispatch/skill-pool-file.ts";
import { expertFileName } from "../../../src/svf/expert-file.ts";
import { SKILLS } from "../../transformer2/tasks.ts";
import { type AdapterName, compared, kindOf, type Training } from "../../transformer2/trainings.ts";
import type { Context } from "../row.ts";
import { openPlace } from "./place.ts";
import { type Trained, trainedAll } from "./trained.ts";

const rewarded = SKILLS.map((task): Training => ({ task, adapter: "svf", by: "rewards" }));
const adapted = (adapter: AdapterName) => compared.map((task): Training => ({ task, adapter, by: "answers" }));

/** Skills by rewards, and the one that names them, which was trained on answers or by rewards. The others: adapters on answers. */
const pools = {
  svf: [...rewarded, { task: classifierName, adapter: "svf", by: "answers" }],
  "svf-rewarded": [...rewarded, { task: classifierName, adapter: "svf", by: "rewards" }],
  lora: adapted("lora"),
  ia3: adapted("ia3"),
} as const satisfies Readonly<Record<string, readonly Training[]>>;
export type PoolName = keyof typeof pools;

export type Pool = {
  readonly name: PoolName;
  readonly folder: string;
  /** What lies in it, the one that names others left out. */
  readonly skills: readonly Trained[];
  /** Trainings without a result, which are not in it. */
  readonly missing: readonly Trained[];
  readonly hasClassifier: boolean;
};

/** Trains what is missing, and copies it. Throws as `trained`. */
export async function openPool(name: PoolName, context: Context): Promise<Pool> {
  const place = await openPlace(context);
  const all = await trainedAll(pools[name], context);
  const done = all.filter(({ failed }) => failed === undefined);
  const folder = join(place.pools, `${name}-${context.budget}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const { folder: run, training } of done)
    if (kindOf(training.adapter) === "svf")
      await cp(join(run, expertFileName), join(folder, `${training.task}.safetensors`));
    else await cp(join(run, "adapter"), join(folder, training.task), { recursive: true });
  const isClassifier = ({ training }: Trained) => training.task === classifierName;
  return {
    name,
    folder,
    skills: done.filter((one) => !isClassifier(one)),
    missing: all.filter(({ failed }) => failed !== undefined),
    hasClassifier: done.some(isClassifier),
  };
}
