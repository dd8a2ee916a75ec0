/** @file All families of the skills as files, written where they are not yet. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { readTaskFamilies, writeTaskFamilies } from "../../src/data/family-file.ts";
import type { TaskFamily } from "../../src/data/task.ts";
import { classifierName } from "../../src/dispatch/skill-pool-file.ts";
import { classifierVersion, drawClassifier } from "./classifier.ts";
import { drawTask } from "./draw.ts";
import { isSkill, SKILLS, type TaskName, tasks, UNSEEN } from "./tasks.ts";

export type FamilyName = TaskName | typeof classifierName;
export type Families = { readonly [N in FamilyName]: TaskFamily };

const versionOf = (name: FamilyName): number => (name === classifierName ? classifierVersion : tasks[name].version);

/** Each version of a family has a file of its own, and so have the few examples of a training on shots. */
export const familyFile = (folder: string, name: FamilyName, shots?: number): string =>
  join(
    folder,
    `${[name, ...(shots === undefined ? [] : [`${shots}-shots`]), ...(versionOf(name) === 1 ? [] : [`v${versionOf(name)}`])].join("-")}.jsonl`,
  );

/** Those of a folder; each that is missing is drawn from the data and written. Throws as `drawTask`. */
export async function openFamilies(data: string, folder: string): Promise<Families> {
  const kept = async (name: FamilyName, draw: () => Promise<TaskFamily>): Promise<TaskFamily> => {
    const path = familyFile(folder, name);
    if (existsSync(path)) return (await readTaskFamilies([path]))[0]!;
    const family = await draw();
    await mkdir(folder, { recursive: true });
    await writeTaskFamilies(path, [family]);
    return family;
  };
  const drawn = await Promise.all([...SKILLS, ...UNSEEN].map((name) => kept(name, () => drawTask(name, data))));
  const skills = drawn.filter(({ name }) => isSkill(name as TaskName));
  const families = [...drawn, await kept(classifierName, () => drawClassifier(skills, data))];
  return Object.fromEntries(families.map((family) => [family.name, family])) as Families;
}
