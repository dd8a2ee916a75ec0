/** @file The tasks on which prompts are compared with their controls: a sample by rule of validation tasks, small enough to be committed. */
import { join } from "node:path";
import type { EvalTask, EvalTaskInput } from "../../src/data/eval-task.ts";

export const promptControlsPath = join(import.meta.dirname, "../fixtures/prompt-controls/tasks.json");

const samplesOfEach = 2;

/** All rules whose answer is free and hangs on no condition, with their first inputs. */
export const promptControls = (tasks: readonly EvalTask[]): EvalTaskInput[] =>
  tasks
    .filter(({ kind, labels }) => labels === undefined && kind !== "branched")
    .map(({ name, systemPrompt, samples }) => ({
      name,
      systemPrompt,
      examples: [],
      samples: samples.slice(0, samplesOfEach),
    }));
