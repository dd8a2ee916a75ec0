/** @file Skills of one kind in a folder, as the first pass and searches read them: copies of what was trained. */
import { existsSync } from "node:fs";
import { cp } from "node:fs/promises";
import { extname, join } from "node:path";
import { sha256 } from "../../../src/base/hash.ts";
import { classifierName } from "../../../src/dispatch/skill-pool-file.ts";
import { withNewFolder } from "../../../src/export/new-folder.ts";
import { contentHash } from "../../../src/methods/content.ts";
import { type AdapterName, compared, kindOf, plan, type Training } from "../../transformer2/trainings.ts";
import type { Context } from "../row.ts";
import { chosen } from "./chosen.ts";
import { openPlace, type Place } from "./place.ts";
import { type Trained, trained } from "./trained.ts";

const adapted = (adapter: AdapterName) => compared.map((task): Training => ({ task, adapter, by: "answers" }));

/** Skills by rewards, and the one that names them, which was trained on answers or by rewards. The others: adapters on answers, at the better of two rates. */
const pools = {
  svf: [...plan.skills, { task: classifierName, adapter: "svf", by: "answers" }],
  "svf-rewarded": [...plan.skills, { task: classifierName, adapter: "svf", by: "rewards" }],
  lora: adapted("lora"),
  ia3: adapted("ia3"),
} as const satisfies Readonly<Record<string, readonly Training[]>>;
export type PoolName = keyof typeof pools;

export type Pool = {
  readonly name: PoolName;
  readonly folder: string;
  /** Of all that lies in it. */
  readonly sha256: string;
  /** What lies in it, the one that names others left out. */
  readonly skills: readonly Trained[];
  /** Trainings without a result, which are not in it. */
  readonly missing: readonly Trained[];
  readonly hasClassifier: boolean;
};

/** Trains what is missing, and copies it. Throws as `trained`. */
export async function openPool(name: PoolName, context: Context): Promise<Pool> {
  const place = await openPlace(context);
  const all: Trained[] = [];
  for (const training of pools[name])
    all.push(await (kindOf(training.adapter) === "svf" ? trained : chosen)(training, context));
  const done = all.filter(({ failed }) => failed === undefined);
  const isClassifier = ({ training }: Trained) => training.task === classifierName;
  return {
    name,
    ...(await copied(`${name}-${context.budget}`, new Map(done.map((one) => [one.training.task, one])), place)),
    skills: done.filter((one) => !isClassifier(one)),
    missing: all.filter(({ failed }) => failed !== undefined),
    hasClassifier: done.some(isClassifier),
  };
}

/** Copies results under names of their own into a folder that is named by them: pages at the same time do not take it from each other. */
export async function copied(
  name: string,
  members: ReadonlyMap<string, Trained>,
  { pools: folder }: Pick<Place, "pools">,
): Promise<Pick<Pool, "folder" | "sha256">> {
  const hashes: string[] = [];
  for (const [member, { result }] of members) hashes.push(`${member} ${await contentHash(result)}`);
  const hash = sha256(hashes.join("\n"));
  const path = join(folder, `${name}-${hash.slice(0, 12)}`);
  const isThere = () => existsSync(path);
  if (!isThere())
    await withNewFolder(path, async (part) => {
      for (const [member, { result }] of members)
        await cp(result, join(part, `${member}${extname(result)}`), { recursive: true });
    }).catch((error: unknown) => {
      if (!isThere()) throw error; // else another process was quicker
    });
  return { folder: path, sha256: hash };
}
