/** @file Examples of a task, as many as a method asks for. */
import type { Example } from "../text/prompt.ts";
import type { Task } from "./method.ts";

/** Why `count` examples cannot be had; undefined where they can. */
export const refusesExamples = ({ examples }: Task, count: number): string | undefined =>
  examples.length < count ? `needs ${count} examples, found ${examples.length}` : undefined;

export const shots = ({ examples }: Task, count: number): readonly Example[] => examples.slice(0, count);
