/** @file Numbers of an evaluation, and Markdown tables whose columns are padded so that they read well in a terminal too. */

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
