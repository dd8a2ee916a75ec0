/** @file The numbers of an evaluation as tables: a block for each stratum, percent throughout. */
import type { Cell, Comparison, EvalReport, MethodReport, PromptEffect, StratumReport } from "../eval/report.ts";
import type { Interval } from "../eval/statistics.ts";
import { formatMs, percent, plural } from "./format.ts";
import { type Column, formatTable, type Cell as TableCell } from "./table.ts";
import type { Colors } from "./terminal.ts";

const right = { align: "right" } as const;

const signed = (share: number): string => `${share < 0 ? "−" : "+"}${percent(Math.abs(share))}`;
const range = ({ low, high }: Interval, format = signed): string => `[${format(low)}, ${format(high)}]`;

export type TableMaker = (columns: readonly Column[], rows: readonly (readonly TableCell[])[]) => string;

/** All tables of a report. */
export const describeReport = ({ strata }: EvalReport, colors: Colors, table: TableMaker = formatTable): string =>
  Object.entries(strata)
    .map(([name, stratum]) => describeStratum(name, stratum, colors, table))
    .join("\n\n\n");

function describeStratum(name: string, stratum: StratumReport, colors: Colors, table: TableMaker): string {
  const { tasks, methods, promptEffect, comparisons } = stratum;
  const questions = Math.max(...Object.values(methods).map(({ n }) => n));
  return [
    colors.bold(`${name}: ${plural(Object.keys(tasks).length, "task")}, ${plural(questions, "question")} a method`),
    methodTable(methods, table),
    ...(promptEffect === null ? [] : [describeEffect(promptEffect)]),
    taskTable(stratum, table),
    ...(comparisons.length === 0 ? [] : [comparisonTable(comparisons, table)]),
  ].join("\n\n");
}

/** "prompt effect: +15.2 points [+8.1, +22.0]: specialized 66.0 − the better of sibling-prompt 50.8, far-prompt 29.1 (15 tasks)" */
function describeEffect({ effect, specialized, controls, tasks, ...interval }: PromptEffect): string {
  const others = Object.entries(controls).map(([name, score]) => `${name} ${percent(score)}`);
  const minus = others.length === 1 ? others[0] : `the better of ${others.join(", ")}`;
  return `prompt effect: ${signed(effect)} points ${range(interval)}: specialized ${percent(specialized)} − ${minus} (${plural(tasks, "task")})`;
}

function methodTable(methods: StratumReport["methods"], table: TableMaker): string {
  const rows = Object.entries(methods).map(([name, method]) => [
    name,
    String(method.tasks),
    percent(method.score),
    range(method.interval, percent),
    percent(method.harmonic),
    otherScores(method),
    method.failed === 0 ? "" : String(method.failed),
    method.inputTokens?.toFixed(1) ?? "",
    method.msFirstPass === null ? "" : formatMs(method.msFirstPass),
    method.msPerQuery === null ? "" : formatMs(method.msPerQuery),
  ]);
  const titles = [
    "method",
    "tasks",
    "AVE, %",
    "95 % by task",
    "HAR, %",
    "other scorers",
    "failed",
    "tokens in",
    "first pass",
    "time",
  ];
  const isUsed = (column: number) => rows.some((row) => row[column] !== "");
  const used = titles.map((_, i) => i).filter(isUsed);
  return table(
    used.map((i) => ({ title: titles[i]!, ...(i === 0 ? {} : right) })),
    rows.map((row) => used.map((i) => row[i]!)),
  );
}

/** All scorers but the first, which counts; nothing where there is one. */
const otherScores = ({ byScorer, score }: MethodReport): string =>
  Object.entries(byScorer)
    .filter(([, other], i) => i > 0 || other !== score)
    .map(([name, other]) => `${name} ${percent(other)}`)
    .join(", ");

function taskTable({ tasks, methods }: StratumReport, table: TableMaker): string {
  const names = Object.keys(methods);
  return table(
    [{ title: "score, %", maxWidth: 50 }, { title: "n", ...right }, ...names.map((title) => ({ title, ...right }))],
    Object.entries(tasks).map(([task, cells]) => [
      task,
      String(Math.max(...Object.values(cells).map(({ n }: Cell) => n))),
      ...names.map((name) => (cells[name] === undefined ? "" : percent(cells[name].score))),
    ]),
  );
}

const comparisonTable = (comparisons: readonly Comparison[], table: TableMaker): string =>
  table(
    ["difference, points", "tasks", "mean", "95 % by task", "p", "p, Holm"].map((title, i) => ({
      title,
      ...(i === 0 ? {} : right),
    })),
    comparisons.map(({ method, against, tasks, difference, p, holm, ...interval }) => [
      `${method} − ${against}`,
      String(tasks),
      signed(difference),
      range(interval),
      p.toPrecision(2),
      holm.toPrecision(2),
    ]),
  );
