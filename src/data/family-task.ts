/** @file A task family as a task of an evaluation: one held-out wording, examples from train, samples of one split. */

import { createRng, type Rng } from "../base/rng.ts";
import { renderSystemPrompt } from "../text/prompt.ts";
import { EvalTask } from "./eval-task.ts";
import type { Sample, TaskFamily } from "./task.ts";

export type FamilyTaskOptions = {
  split: "validation" | "test";
  /** At most this many samples, drawn by seed. */
  samples: number;
  /** Chooses the wording, the examples and the samples. */
  seed: number;
  /** The system prompt is a wording of that split, or the five examples without any description. */
  prompt?: "description" | "examples";
  /** Gives samples of tasks with at most 20 labels the labels as choices, so that they are scored by likelihood. */
  withChoices?: boolean;
};

const EXAMPLES = 5;
const EXAMPLE_WORDS = 40;
const MAX_CHOICES = 20;

/** Determined by the task and the options. */
export function familyTask(task: TaskFamily, options: FamilyTaskOptions): EvalTask {
  const { split, samples: count, seed, prompt = "description", withChoices = false } = options;
  const rng = createRng(`task file ${task.name} ${seed}`);
  const wordings = task.paraphrases[split];
  const examples = pickExamples(task.train, rng.split("examples"));
  const samples = rng
    .split("samples")
    .shuffle([...task[split]])
    .slice(0, count);
  const labels =
    withChoices && task.labels !== undefined && task.labels.length <= MAX_CHOICES ? task.labels : undefined;
  return EvalTask.parse({
    name: task.name,
    seed,
    stratum: task.seen ? "seen" : "unseen",
    kind: task.kind,
    systemPrompt: prompt === "examples" ? renderSystemPrompt({ examples }) : wordings[seed % wordings.length]!,
    examples,
    samples: samples.map(({ input, target, choices = labels }) =>
      choices === undefined ? { input, target } : { input, target, choices: [...choices] },
    ),
  });
}

/** Short samples with different answers first. */
function pickExamples(train: readonly Sample[], rng: Rng): { input: string; target: string }[] {
  const shuffled = rng.shuffle([...train]);
  const short = shuffled.filter(({ input }) => wordCount(input) <= EXAMPLE_WORDS);
  const candidates = short.length >= EXAMPLES ? short : shuffled;
  const targets = new Set<string>();
  const isNew = ({ target }: Sample) => !targets.has(target) && targets.add(target).size > 0;
  const different = candidates.filter(isNew);
  const rest = candidates.filter((sample) => !different.includes(sample));
  const picked = [...different, ...rest].slice(0, EXAMPLES);
  return rng.shuffle(picked).map(({ input, target }) => ({ input, target }));
}

export const wordCount = (text: string): number => text.split(/\s+/).filter(Boolean).length;
