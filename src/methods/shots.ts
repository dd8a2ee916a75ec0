/** @file Examples of a task, as many as a method asks for. */
import { textShots } from "../data/text-question.ts";
import { type Example, renderSystemPrompt } from "../text/prompt.ts";
import type { Task } from "./method.ts";

/** Why `count` examples cannot be had; undefined where they can. */
export const refusesExamples = ({ examples }: Task, count: number): string | undefined =>
  examples.length < count ? `needs ${count} examples, found ${examples.length}` : undefined;

export const shots = ({ examples }: Task, count: number): readonly Example[] => examples.slice(0, count);

/** The first `count` examples as a text, laid out as the task's questions are. */
export const shotsPrompt = (task: Task, count: number): string =>
  task.layout === undefined
    ? renderSystemPrompt({ examples: shots(task, count) })
    : textShots(task.layout, shots(task, count));
