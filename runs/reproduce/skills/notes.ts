/** @file What stands on every page of Transformer²: how questions were asked, how much was trained, and what came to nothing. */
import { stepsOf, type Way } from "../../transformer2/trainings.ts";
import type { Budget, Context } from "../row.ts";
import { questionsOf } from "./ask.ts";
import type { Trained } from "./trained.ts";

/** Above a table of accuracies. */
export const accuracyNote = (context: Context, items = questionsOf(context)): string =>
  `Share of right answers in %, ± one standard error over what is asked about (messages, passages, pairs of numbers, else questions); up to ${items} questions of a test split. All methods read the same: the question, which ends with the form of its answer. Answers are written. What counts is their first word, of format the whole answer.`;

/** How the skills were trained, and which of the trainings have no result. */
export function trainingNotes(all: readonly Trained[]): string[] {
  const failed = all.filter((one) => one.failed !== undefined);
  return failed.length === 0
    ? []
    : [
        `Trainings without a result, which are left out above: ${failed.map(({ name, failed: why }) => `\`${name}\` (${why})`).join("; ")}.`,
      ];
}

const steps = (by: Way, budget: Budget): number => stepsOf({ task: "science", adapter: "svf", by }, budget);

export const stepNote = ({ budget }: Context): string =>
  `By rewards each training has ${steps("rewards", budget)} steps, on answers ${steps("answers", budget)}; the state with the best validation is asked. One training seed, unless another is named: a difference between two trainings may be one of seeds. Tasks, data and configurations: \`runs/transformer2\`.`;

export const paperModel = "Llama3-8B-Instruct, other tasks: a comparison of signs, not of sizes";
