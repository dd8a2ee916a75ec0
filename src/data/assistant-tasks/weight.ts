/** @file How often each task of the default pair is drawn in training. */
import type { TaskFamily, TaskKind } from "../task.ts";

const BY_KIND: { readonly [K in TaskKind]: number } = {
  routing: 1,
  slots: 1.5,
  "tool-call": 1,
  rewriting: 1,
  extraction: 0.8,
  sentiment: 0.6,
  topic: 0.6,
  "yes-no": 0.4,
  "multiple-choice": 0.4,
};

/** Many labels need many draws. */
const BY_NAME: Readonly<Record<string, number>> = { "banking77-label": 4, "banking77-json": 4 };

/** The weight of a task in the mixture; unseen tasks have none. */
export const assistantWeight = (task: TaskFamily): number =>
  task.seen ? (BY_NAME[task.name] ?? BY_KIND[task.kind]) : 0;
