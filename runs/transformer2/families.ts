/** @file All families of the skills as files, written where they are not yet. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { readTaskFamilies, writeTaskFamilies } from "../../src/data/family-file.ts";
import type { TaskFamily } from "../../src/data/task.ts";
import { classifierName } from "../../src/dispatch/skill-pool-file.ts";
import { drawClassifier } from "./classifier.ts";
import { drawTask } from "./draw.ts";
import { isSkill, SKILLS, type TaskName, UNSEEN } from "./tasks.ts";

export type FamilyName = TaskName | typeof classifierName;
export type Families = { readonly [N in FamilyName]: TaskFamily };

export const familyFile = (folder: string, name: string): string => join(folder, `${name}.jsonl`);

/** Those of a folder; drawn from the data and written where one is missing. Throws as `drawTask`. */
export async function openFamilies(data: string, folder: string): Promise<Families> {
  const names: readonly FamilyName[] = [...SKILLS, ...UNSEEN, classifierName];
  const paths = names.map((name) => familyFile(folder, name));
  if (paths.every((path) => existsSync(path))) return byName(await readTaskFamilies(paths));
  const drawn = await Promise.all([...SKILLS, ...UNSEEN].map((name) => drawTask(name, data)));
  const skills = drawn.filter(({ name }) => isSkill(name as TaskName));
  const families = [...drawn, await drawClassifier(skills, data)];
  await mkdir(folder, { recursive: true });
  for (const family of families) await writeTaskFamilies(familyFile(folder, family.name), [family]);
  return byName(families);
}

const byName = (families: readonly TaskFamily[]): Families =>
  Object.fromEntries(families.map((family) => [family.name, family])) as Families;
