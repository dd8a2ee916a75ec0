/** @file The tasks by name: those that a skill is trained for, and two that none is, for which a mixture of skills is searched. */
import { format } from "./tasks/format.ts";
import { intents } from "./tasks/intents.ts";
import { largerNumber } from "./tasks/numbers.ts";
import { reading } from "./tasks/reading.ts";
import { arcChallenge, openBook, science } from "./tasks/science.ts";
import type { SkillTask } from "./tasks/task.ts";

/** Each with a skill of the same name: what the first pass of two may say. In the order in which a folder has them. */
const trained = { format, intents, numbers: largerNumber, reading, science } as const satisfies Readonly<
  Record<string, SkillTask>
>;
/** Their training rows are read as examples of a search alone. */
const unseen = { "arc-challenge": arcChallenge, "open-book": openBook } as const satisfies Readonly<
  Record<string, SkillTask>
>;

export type SkillName = keyof typeof trained;
export type TaskName = SkillName | keyof typeof unseen;

export const SKILLS = Object.keys(trained) as SkillName[];
export const UNSEEN = Object.keys(unseen) as Exclude<TaskName, SkillName>[];

export const tasks: { readonly [N in TaskName]: SkillTask } = { ...trained, ...unseen };

export const isSkill = (name: TaskName): name is SkillName => Object.hasOwn(trained, name);
