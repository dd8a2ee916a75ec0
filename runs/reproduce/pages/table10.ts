/** @file `table10`: the standard error of each accuracy, by its formula, beside the ones that are printed. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { accuracies, noCell, tasksOf } from "../ask.ts";
import { linesOfPage } from "../ask-trained.ts";
import { largestError, standardError } from "../contradictions.ts";
import { number, paragraphs, table } from "../markdown.ts";
import { paperTasks, table10 as printed, table2, table11 } from "../paper.ts";
import type { Context, Page } from "../row.ts";

/** Half of the last printed digit. */
const rounding = 0.00005;

/** Printed, then by the formula; marked where the printed one cannot be, or is another. */
function cellOf(model: string, i: number): string {
  const said = printed[model]![i]!;
  const n = table11.test[i]!;
  const share = table2.find(({ name }) => name === `${model} + LoRA-Gen`)!.cells[i]! / 100;
  const found = standardError(share, n);
  const mark = said > largestError(n) + rounding ? " (impossible)" : Math.abs(said - found) > 0.0003 ? " (≠)" : "";
  return `${said.toFixed(4)}, ${found.toFixed(4)}${mark}`;
}

export async function table10Page({ work }: Context): Promise<Page> {
  const log = join(work, "table2.jsonl");
  return {
    text: paragraphs(
      "Standard error of an accuracy p over n questions: √(p(1 − p)/(n − 1)). Each cell: as printed in the paper, then by the formula from table 2's accuracy and table 11's n.",
      table(
        ["LoRA-Gen over", ...paperTasks],
        Object.keys(printed).map((model) => [model, ...paperTasks.map((_, i) => cellOf(model, i))]),
      ),
      `The two numbers of a cell should agree. ≠ marks those that differ by more than 0.0003: errors of other accuracies than table 2's. Qwen's ${printed["Qwen-1.5B"]![2]} on OpenBookQA is above ${largestError(500).toFixed(4)}, the most that 500 answers can have.`,
      "## Ours",
      existsSync(log) ? await ours(work) : "Not run yet: needs the log of `table2`.",
    ),
  };
}

async function ours(work: string): Promise<string> {
  const rows = accuracies(await linesOfPage("table2", work));
  const tasks = tasksOf(rows).map(({ task }) => task);
  return table(
    ["method", ...tasks],
    rows.map(({ method, tasks: own }) => [
      method,
      ...tasks.map((task) => {
        const cell = own.find((one) => one.task === task);
        return cell === undefined ? noCell : `${number(cell.error, 4)} (n ${cell.n})`;
      }),
    ]),
  );
}
