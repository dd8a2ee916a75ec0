/** @file Markdown tables whose columns are padded, so that they read well as text too. */
import type { TableMaker } from "./eval-report.ts";

export const markdownTable: TableMaker = (columns, rows) => {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => row.map((cell) => (typeof cell === "string" ? cell : cell.text))),
  ].map((row) => row.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")));
  const widths = columns.map((_, i) => Math.max(3, ...cells.map((row) => [...row[i]!].length)));
  const isRight = (i: number): boolean => columns[i]!.align === "right";
  const pad = (text: string, i: number): string => {
    const space = " ".repeat(widths[i]! - [...text].length); // by characters, not by UTF-16 units
    return isRight(i) ? space + text : text + space;
  };
  const line = (row: readonly string[]): string => `| ${row.map(pad).join(" | ")} |`;
  const rule = `|${widths.map((width, i) => (isRight(i) ? `${"-".repeat(width + 1)}:` : "-".repeat(width + 2))).join("|")}|`;
  return [line(cells[0]!), rule, ...cells.slice(1).map(line)].join("\n");
};
