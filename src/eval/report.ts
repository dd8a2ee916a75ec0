/** @file Evaluation results as Markdown, its columns padded so that it reads well in a terminal too. */
import type { MethodName } from "./methods.ts";
import type { EvalCell, EvalReport } from "./summarize.ts";

/** A Markdown table. The first column is left-aligned, the others to the right. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const safe = [header, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")));
  const widths = header.map((_, column) => Math.max(3, ...safe.map((row) => [...row[column]!].length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => (column === 0 ? padEnd(cell, widths[0]!) : padStart(cell, widths[column]!))).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [line(safe[0]!), rule, ...safe.slice(1).map(line)].join("\n");
}

// By characters, not by UTF-16 units.
const padEnd = (text: string, width: number): string => text + " ".repeat(width - [...text].length);
const padStart = (text: string, width: number): string => " ".repeat(width - [...text].length) + text;

/** A share as percent: 0.8125 → `81.3`; with its standard error `81.3 ± 1.2`. */
export function percent(share: number, error?: number): string {
  const text = (100 * share).toFixed(1);
  return error === undefined || !Number.isFinite(error) ? text : `${text} ± ${(100 * error).toFixed(1)}`;
}

/** A difference of shares in percentage points, with its sign. */
export const points = (difference: number): string =>
  `${difference < 0 ? "−" : "+"}${Math.abs(100 * difference).toFixed(1)}`;

/** Accuracies of every task and their mean, what a query costs, and the paired differences. */
export function markdownReport({ tasks, mean, comparisons }: EvalReport): string {
  const methods = Object.keys(mean) as MethodName[];
  const accuracy = (cell: EvalCell) => percent(cell.accuracy, cell.stderr);
  const n = (cells: Partial<Record<MethodName, { readonly n: number }>>) => String(cells[methods[0]!]!.n);
  const sections = [
    markdownTable(
      ["accuracy, %", "n", ...methods],
      [
        ...Object.entries(tasks).map(([name, cells]) => [
          name,
          n(cells),
          ...methods.map((method) => accuracy(cells[method]!)),
        ]),
        ["**mean of tasks**", n(mean), ...methods.map((method) => accuracy(mean[method]!))],
        ["**harmonic mean**", n(mean), ...methods.map((method) => percent(mean[method]!.harmonic))],
      ],
    ),
    markdownTable(
      ["per query", "tokens read", "ms"],
      methods.map((method) => {
        const { inputTokens, msPerQuery } = mean[method]!;
        return [method, inputTokens.toFixed(1), msPerQuery === null ? "–" : msPerQuery.toFixed(2)];
      }),
    ),
  ];
  const differences = Object.entries(comparisons);
  if (differences.length > 0)
    sections.push(
      markdownTable(
        ["difference, points", "mean", "95 % interval"],
        differences.map(([name, { difference, low, high }]) => [
          name.replace("-vs-", " − "),
          points(difference),
          `${points(low)} … ${points(high)}`,
        ]),
      ),
    );
  return `${sections.join("\n\n")}\n`;
}
