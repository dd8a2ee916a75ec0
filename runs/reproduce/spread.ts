/** @file Several runs of one method that differ in their seed: mean and standard deviation of accuracy. */
import { mean } from "../../src/eval/statistics.ts";
import { type Accuracy, tasksOf } from "./ask.ts";
import { number, table } from "./markdown.ts";

/** In percent; of one run there is no deviation. */
function spread(shares: readonly number[]): string {
  const average = mean(shares);
  const variance = shares.reduce((sum, share) => sum + (share - average) ** 2, 0) / (shares.length - 1);
  return shares.length < 2
    ? number(100 * average)
    : `${number(100 * average)} ± ${number(100 * Math.sqrt(variance), 2)}`;
}

/** A row for each method, from one accuracy for each of its runs. */
export function spreadTable(byMethod: ReadonlyMap<string, readonly Accuracy[]>): string {
  const tasks = tasksOf([...byMethod.values()].flat());
  return table(
    ["method", "runs", ...tasks.map(({ task, n }) => `${task} (n ${n})`), "AVE"],
    [...byMethod].map(([method, runs]) => [
      method,
      runs.length,
      ...tasks.map(({ task }) => spread(runs.map((run) => run.tasks.find((one) => one.task === task)!.share))),
      spread(runs.map((run) => mean(run.tasks.map(({ share }) => share)))),
    ]),
  );
}
