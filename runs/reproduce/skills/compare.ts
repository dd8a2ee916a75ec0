/** @file One arm against another, task by task, on the same questions. */

import type { LogLine } from "../../../src/eval/log.ts";
import { itemsOf, mean, standardErrorOf } from "../../../src/eval/statistics.ts";
import { bestConstant } from "../../transformer2/draw.ts";
import { signed, table } from "../markdown.ts";

/** What is compared with: another arm by its label, or the best constant answer. */
export type Against = { readonly arm: string } | "constant";

export type Difference = {
  readonly task: string;
  readonly label: string;
  readonly points: number;
  readonly low: number;
  readonly high: number;
};

const z95 = 1.96;

/** In points, with an interval over questions; of tasks that both were asked. */
export function differences(lines: readonly LogLine[], label: string, against: Against): Difference[] {
  const tasks = [...new Set(lines.filter(({ method }) => method === label).map(({ task }) => task))];
  return tasks.flatMap((task) => {
    const own = lines.filter((line) => line.task === task && line.method === label);
    const other = rival(lines, own, against);
    const paired = own.flatMap((line) => {
      const score = other.get(line.sample);
      return score === undefined ? [] : [{ input: line.input, value: 100 * (scoreOf(line) - score) }];
    });
    if (paired.length === 0) return [];
    const values = paired.map(({ value }) => value);
    const points = mean(values);
    const error = values.length < 2 ? 0 : standardErrorOf(values, itemsOf(paired.map(({ input }) => input)));
    return [{ task, label, points, low: points - z95 * error, high: points + z95 * error }];
  });
}

/** Scores of what is compared with, by question. */
function rival(lines: readonly LogLine[], own: readonly LogLine[], against: Against): ReadonlyMap<number, number> {
  if (against === "constant") {
    const { answer } = bestConstant(own);
    return new Map(own.map(({ sample, target }) => [sample, Number(target === answer)]));
  }
  const others = lines.filter(({ task, method }) => task === own[0]!.task && method === against.arm);
  return new Map(others.map((line) => [line.sample, scoreOf(line)]));
}

const scoreOf = ({ scores, scorer }: LogLine): number => scores[scorer]!.score;

/** A row for each arm and task. */
export function differenceRows(
  lines: readonly LogLine[],
  labels: readonly string[],
  rivals: readonly { readonly title: string; readonly against: Against }[],
): string {
  const rows = labels.flatMap((label) => {
    const columns = rivals.map(({ against }) => differences(lines, label, against));
    return [...new Set(columns.flat().map(({ task }) => task))].map((task) => [
      label,
      task,
      ...columns.map((column) => shown(column.find((one) => one.task === task))),
    ]);
  });
  return table(["", "task", ...rivals.map(({ title }) => title)], rows);
}

const shown = (one: Difference | undefined): string =>
  one === undefined ? "–" : `${signed(one.points)} [${signed(one.low)}, ${signed(one.high)}]`;
