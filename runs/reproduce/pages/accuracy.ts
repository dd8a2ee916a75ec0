/** @file Pages that ask published tasks: the base model's rows now, others where a pair or methods are given. */

import { groupBy } from "../../../src/base/group-by.ts";
import type { LogLine } from "../../../src/eval/log.ts";
import { itemsOf, mean } from "../../../src/eval/statistics.ts";
import { type Accuracy, accuracies, accuracyTable, ask, differenceTable, drawsTable, tasksOf } from "../ask.ts";
import { number, paragraphs, table } from "../markdown.ts";
import { paperTasks, table2, table6 } from "../paper.ts";
import type { Budget, Context, Page } from "../row.ts";
import { oneSeed, untrainedTasks } from "../shipped-pair.ts";

/** Tasks that the paper never trains on. */
const unseen: readonly string[] = ["hellaswag", "winogrande", "piqa"];

const ablationTasks = ["arc-c", "arc-e", "openbookqa", "social-iqa", "winogrande", "piqa"] as const;

/** What LoRA-Gen's rows are of, or that there are none. */
const ofPair = ({ pair }: Context): string[] =>
  pair === undefined ? ["LoRA-Gen's rows need a pair (`--pair FOLDER`)."] : [untrainedTasks, oneSeed];

const note =
  "Accuracy by summed log-likelihood in %, ± one standard error; 5 shots are one draw; n questions of a task.";

/** Questions of ARC-c that are asked once more by each method, alone and with an empty cache. */
const timedItems: Readonly<Record<Budget, number>> = { minutes: 3, hours: 50, full: 50 };

/** Milliseconds of a question of ARC-Challenge, by method. */
function latencies(lines: readonly LogLine[]): string {
  const timed = lines.filter(({ task, ms }) => task === "arc-c" && ms !== null);
  const parts = [...groupBy(timed, ({ method }) => method)].map(
    ([method, own]) => `${method} ${number(mean(own.map(({ ms }) => ms!)))} (n ${own.length})`,
  );
  return `Mean milliseconds of a question of ARC-c on this CPU, its whole prompt read: ${parts.join(", ")}.`;
}

/** Means over the tasks that the paper trains on, and over those that it does not; of methods that were asked all of both. */
function seenAndUnseen(rows: readonly Accuracy[]): string {
  const tasks = tasksOf(rows).length;
  const part = ({ tasks: own }: Accuracy, isSeen: boolean) =>
    number(100 * mean(own.filter(({ task }) => unseen.includes(task) !== isSeen).map(({ share }) => share)));
  return table(
    ["mean over tasks", "trained on in the paper", "never trained on"],
    rows.filter((row) => row.tasks.length === tasks).map((row) => [row.method, part(row, true), part(row, false)]),
  );
}

export async function table2Page(context: Context): Promise<Page> {
  const asked = {
    id: "table2",
    suites: ["reasoning"],
    items: { minutes: 20, hours: 500, full: 500 },
    methods: ["base", "prompted-5shot"],
    pairMethods: ["specialized-5shot"],
  };
  // Only ARC-c is timed: a question that is asked alone takes several times as long.
  await ask({ ...asked, only: /^arc-c$/, timed: timedItems[context.budget] }, context);
  const lines = await ask(asked, context);
  const rows = accuracies(lines);
  return {
    text: paragraphs(
      note,
      accuracyTable(rows),
      seenAndUnseen(rows),
      ...differenceTable(lines, "base"),
      latencies(lines),
      ...ofPair(context),
      "Trained baselines stand here where they are named: `--methods lora:FOLDER,loramoe:FILE,mixlora:FILE`. Social IQa is trained on in the paper, never here.",
      "## The paper's rows",
      table(
        ["5 shots", ...paperTasks, "AVE", "HAR", "ms"],
        table2.map(({ name, cells, average, harmonic, ms }) => [
          name,
          ...cells.map((cell) => number(cell)),
          number(average),
          number(harmonic),
          number(ms!),
        ]),
      ),
    ),
  };
}

export async function table6Page(context: Context): Promise<Page> {
  const lines = await ask(
    {
      id: "table6",
      suites: [...ablationTasks],
      items: { minutes: 20, hours: 200, full: 500 },
      methods: ["base", "prompted-1shot", "prompted-3shot", "prompted-5shot"],
      pairMethods: ["specialized-1shot"],
    },
    context,
  );
  return {
    text: paragraphs(
      note,
      accuracyTable(accuracies(lines)),
      ...differenceTable(lines, "prompted-5shot"),
      ...ofPair(context),
      "## The paper's row (Qwen-1.5B)",
      table(
        ["", "AVE", "HAR"],
        Object.entries(table6).map(([name, [average, harmonic]]) => [name, number(average), number(harmonic)]),
      ),
      "At 135 M parameters examples in the context may help little or harm: a difference between shots here says nothing of a 1.5 B model.",
    ),
  };
}

/** Spread over draws: of each method, the accuracy with each draw's examples. */
export async function fewshotSdPage(context: Context): Promise<Page> {
  const seeds = [1, 2, 3, 4, 5];
  const lines = await ask(
    {
      id: "fewshot-sd",
      suites: ["arc-c"],
      items: { minutes: 20, hours: 300, full: 1172 },
      seeds,
      methods: ["prompted-5shot"],
      pairMethods: ["specialized-5shot"],
    },
    context,
  );
  const items = itemsOf(lines.map(({ input }) => input)).length;
  return {
    text: paragraphs(
      `ARC-Challenge, the same ${items} items with five draws of five examples. Accuracy in %, then mean and standard deviation over draws, as a share. The paper: 0.0146.`,
      drawsTable(lines, seeds),
      `A share of right answers over so many items has a standard error of its own, about ${number(Math.sqrt((0.25 * 0.75) / items), 3)} at 25 %: as the items are the same in each draw, the deviation is of the examples alone.`,
      ...ofPair(context),
    ),
  };
}
