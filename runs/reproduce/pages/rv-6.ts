/** @file `rv-6`: one general prompt for all tasks against each task's own; which methods know the task, and which are trained. */

import { harmonicMean, mean } from "../../../src/eval/statistics.ts";
import { generalPrompt } from "../../../src/methods/general.ts";
import { needsOf } from "../../../src/methods/table.ts";
import { accuracies, accuracyTable, ask, differenceTable } from "../ask.ts";
import { type Asking, askTrained, rivals, trainedNote, type Wanted } from "../ask-trained.ts";
import { number, paragraphs, table } from "../markdown.ts";
import type { Context, Page } from "../row.ts";
import { oneSeed, pairOf, untrainedTasks } from "../shipped-pair.ts";

/** What each is told of the task that it is asked. */
const tells: Readonly<Record<string, string>> = {
  base: "nothing",
  "prompted-general": "nothing",
  prompted: "its description",
  "prompted-5shot": "5 examples",
  "lora-5shot": "5 examples",
  "loramoe-5shot": "5 examples",
  "mixlora-5shot": "5 examples",
  "specialized-general": "nothing",
  specialized: "its description",
  "specialized-5shot": "5 examples",
};

const specialised = ["specialized-general", "specialized", "specialized-5shot"];
/** The paper's configuration under each prompt, and the rivals as table 2 asks them. */
const wanted: readonly Wanted[] = [...rivals(5), { of: "generator", forms: specialised }];

/** "specialized" of "specialized (G0, 75 steps, seed 1)". */
const formOf = (method: string): string => method.replace(/ \(.*\)$/, "");

export async function generalPromptPage(context: Context): Promise<Page> {
  pairOf("rv-6", context);
  const asking: Asking = (how, of) =>
    ask({ suites: ["reasoning"], items: { minutes: 2, hours: 100, full: 100 }, ...how }, of);
  const { lines, ...trained } = await askTrained(
    "rv-6",
    { methods: ["base", "prompted-general", "prompted", "prompted-5shot"], pairMethods: specialised, wanted },
    asking,
    context,
  );
  const rows = accuracies(lines);
  return {
    text: paragraphs(
      `Reviewers asked for a fair comparison of methods that know the task with those that do not. Eight tasks in turn, the same items for all; \`general\` has one prompt for all of them: "${generalPrompt}"`,
      table(
        ["method", "knows of the task", "training-free", "AVE", "HAR"],
        rows.map(({ method, tasks }) => {
          const shares = tasks.map(({ share }) => 100 * share);
          const form = formOf(method);
          const training = (needsOf(form) ?? needsOf(`${form}:FILE`))?.training;
          return [
            method,
            tells[form] ?? (training === "each task" ? "its training set" : "nothing"),
            training === "nothing" ? "yes" : "no",
            number(mean(shares)),
            number(harmonicMean(shares)),
          ];
        }),
      ),
      accuracyTable(rows),
      ...differenceTable(lines, "specialized-general"),
      "The paper has no such table: its authors answer that a general prompt is handled, and is not what the method is for.",
      ...trainedNote(trained),
      untrainedTasks,
      oneSeed,
    ),
  };
}
