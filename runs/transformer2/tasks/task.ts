/** @file What a task of a skill says of itself: where its questions come from, how they ask for their answers, what scores them. */
import { groupBy } from "../../../src/base/group-by.ts";
import type { Rng } from "../../../src/base/rng.ts";
import type { TaskKind } from "../../../src/data/task.ts";
import type { Example } from "../../../src/text/prompt.ts";
import type { RewardName } from "../../../src/train/rollout.ts";

export const SPLITS = ["train", "validation", "test"] as const;
export type Split = (typeof SPLITS)[number];

export type SkillTask = {
  /** Goes up when other rows are drawn: they are written into another file, and what was trained on the old ones is trained anew. */
  readonly version: number;
  /** One line. */
  readonly summary: string;
  readonly kind: TaskKind;
  /** What stands at the end of every question: the form of its answer. */
  readonly form: string;
  readonly scorer: RewardName;
  /** Longest answer in tokens, its end among them. */
  readonly maxTokens: number;
  /** All answers, where they are few and fixed. */
  readonly labels?: readonly string[];
  /** What a question is about and others may be too: a message, a passage, two numbers. Itself where it says nothing. No two splits share one. */
  readonly subjectOf?: (question: string) => string;
  /** Questions without their form, and answers. `test` is the data's own test split; where there are rows for validation, they are no rows of train. */
  readonly read: (data: string, split: Split, rng: Rng) => Promise<readonly Example[]>;
};

/** A question as the model reads it: no text stands in front of it, so all methods read the same. */
export const asked = ({ form }: Pick<SkillTask, "form">, question: string): string => `${question}\n${form}`;

/** The same for texts that differ in case and white space alone. */
export const keyOf = (text: string): string => text.toLowerCase().replaceAll(/\s+/g, " ").trim();

/** Of a train split that is divided the first tenth is for validation. */
const validationShare = 0.1;

/** The rows of train, or those of validation, where the data has only one split for both. The order is drawn, always the same. Rows of one subject stay together. */
export function divided<T>(
  rows: readonly T[],
  split: "train" | "validation",
  rng: Rng,
  subjectOf: (row: T) => unknown = (row) => row,
): T[] {
  const groups = [...groupBy(rows, subjectOf)].map(([, own]) => own);
  const order = rng.split("divided").shuffle(groups);
  const size = Math.ceil(validationShare * order.length);
  return (split === "validation" ? order.slice(0, size) : order.slice(size)).flat();
}
