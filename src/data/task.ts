/** @file Tasks: families of system prompts over real inputs, with known answers. */

export type Sample = {
  readonly input: string;
  readonly target: string;
  /** The possible answers, where the most likely one is to be picked. */
  readonly choices?: readonly string[];
};

export const TASK_KINDS = [
  "routing",
  "slots",
  "yes-no",
  "topic",
  "sentiment",
  "multiple-choice",
  "rewriting",
  "tool-call",
  "extraction",
] as const;
export type TaskKind = (typeof TASK_KINDS)[number];

export type TaskFamily = {
  /** Unique, kebab-case. */
  readonly name: string;
  readonly kind: TaskKind;
  /** Whether the pair is trained on it. Of an unseen task `train` gives examples for prompts only. */
  readonly seen: boolean;
  /** Wordings of the system prompt, each for one split. */
  readonly paraphrases: {
    readonly train: readonly string[];
    readonly validation: readonly string[];
    readonly test: readonly string[];
  };
  readonly train: readonly Sample[];
  readonly validation: readonly Sample[];
  readonly test: readonly Sample[];
  /** The possible answers where they are few and fixed. */
  readonly labels?: readonly string[];
};
