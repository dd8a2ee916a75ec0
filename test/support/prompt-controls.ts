/** @file The tasks on which prompts are compared with their controls: a sample by rule over all seen tasks, small enough to be committed. */
import { join } from "node:path";
import type { EvalTaskInput } from "../../src/data/eval-task.ts";
import { familyTask } from "../../src/data/family-task.ts";
import type { TaskFamily } from "../../src/data/task.ts";

export const promptControlsPath = join(import.meta.dirname, "../fixtures/prompt-controls/tasks.json");

/** Every fourth seen task by name; of each one held-out wording and four validation inputs drawn by seed, nothing of the test split. */
export function promptControls(tasks: readonly TaskFamily[]): EvalTaskInput[] {
  return tasks
    .filter(({ seen }) => seen)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .filter((_, i) => i % 4 === 0)
    .map((task) => {
      const { name, systemPrompt, samples } = familyTask(task, { split: "validation", samples: 4, seed: 1 });
      return { name, systemPrompt, examples: [], samples };
    });
}
