/** @file One arm against another, task by task, on the same questions, and what stands of that on every page. */
import type { LogLine } from "../../../src/eval/log.ts";
import { itemsOf, mean, standardErrorOf } from "../../../src/eval/statistics.ts";
import { bestConstant, subjectIn } from "../../transformer2/draw.ts";
import { accuracyTable } from "../ask.ts";
import { signed, table } from "../markdown.ts";
import type { Context } from "../row.ts";
import { base, constantRow, skillAccuracies } from "./ask.ts";
import { accuracyNote } from "./notes.ts";

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

/** In points, with an interval over what is asked about; of tasks that both were asked. */
export function differences(lines: readonly LogLine[], label: string, against: Against): Difference[] {
  const tasks = [...new Set(lines.filter(({ method }) => method === label).map(({ task }) => task))];
  return tasks.flatMap((task) => {
    const own = lines.filter((line) => line.task === task && line.method === label);
    const other = rival(lines, own, against);
    const paired = own.flatMap((line) => {
      const score = other.get(line.sample);
      return score === undefined ? [] : [{ subject: subjectIn(line), value: 100 * (scoreOf(line) - score) }];
    });
    if (paired.length === 0) return [];
    const values = paired.map(({ value }) => value);
    const points = mean(values);
    const subjects = itemsOf(paired.map(({ subject }) => subject));
    const error = subjects.length < 2 ? 0 : standardErrorOf(values, subjects);
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

/** A column of differences: what from, the same for all arms or not; undefined for an arm that has none. */
export type Rival = {
  readonly title: string;
  readonly against: Against | ((label: string) => Against | undefined);
};

export const againstBase: Rival = { title: "− base model", against: { arm: base.label } };
export const againstConstant: Rival = { title: "− best constant", against: "constant" };
export const againstArm = (arm: string): Rival => ({
  title: `− ${arm}`,
  against: (label) => (label === arm ? undefined : { arm }),
});

/** A row for each arm and task, below a line that says what the intervals are. Nothing where there is none. */
export function differenceTable(
  lines: readonly LogLine[],
  labels: readonly string[],
  rivals: readonly Rival[],
): string[] {
  let intervals = 0;
  const rows = labels.flatMap((label) => {
    const columns = rivals.map(({ against }) => {
      const other = typeof against === "function" ? against(label) : against;
      return other === undefined ? [] : differences(lines, label, other);
    });
    intervals += columns.flat().length;
    return [...new Set(columns.flat().map(({ task }) => task))].map((task) => [
      label,
      task,
      ...columns.map((column) => shown(column.find((one) => one.task === task))),
    ]);
  });
  if (rows.length === 0) return [];
  const note = `Differences in points, paired by question, with 95 % intervals. Questions about one message, passage or pair of numbers are one draw. ${
    intervals === 1
      ? ""
      : `Each interval stands for itself: none of the ${intervals} is corrected for the others, and of twenty one misses by chance.`
  }`;
  return [note.trim(), table(["", "task", ...rivals.map(({ title }) => title)], rows)];
}

const shown = (one: Difference | undefined): string =>
  one === undefined ? "–" : `${signed(one.points)} [${signed(one.low)}, ${signed(one.high)}]`;

type Standing = {
  readonly rivals?: readonly Rival[];
  /** Questions of a task, where they are not the budget's. */
  readonly items?: number;
  /** Whether a table above on the page says already how questions were asked. */
  readonly isSecond?: boolean;
};

/** How questions were asked, what each arm scores beside a constant answer, and how far some are from others. */
export const standing = (
  lines: readonly LogLine[],
  labels: readonly string[],
  context: Context,
  { rivals = [againstBase], items, isSecond = false }: Standing = {},
): string[] => [
  ...(isSecond ? [] : [accuracyNote(context, items)]),
  accuracyTable([...constantRow(lines), ...skillAccuracies(lines)]),
  ...differenceTable(lines, labels, rivals),
];
