/** @file Text tables: columns as wide as their content, long cells wrapped, colours not counted. */

import { printableLine } from "./printable.ts";

export type Cell = string | { readonly text: string; readonly paint: (text: string) => string };
export type Column = {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Longer cells are wrapped. */
  readonly maxWidth?: number;
};

const gap = "  ";

const textOf = (cell: Cell): string => (typeof cell === "string" ? cell : cell.text);

/** Lines joined by newlines; the titles are left out where all are empty. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  const wrapped = rows.map((row) => columns.map(({ maxWidth }, i) => wrap(textOf(row[i] ?? ""), maxWidth)));
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...wrapped.flatMap((row) => row[i]!.map((line) => line.length))),
  );
  const pad = (text: string, i: number) =>
    columns[i]!.align === "right" ? text.padStart(widths[i]!) : text.padEnd(widths[i]!);
  const lines: string[] = [];
  if (columns.some(({ title }) => title !== "")) {
    lines.push(columns.map(({ title }, i) => pad(title, i)).join(gap));
    lines.push(widths.map((width) => "─".repeat(width)).join(gap));
  }
  wrapped.forEach((row, r) => {
    const height = Math.max(...row.map((cell) => cell.length));
    for (let y = 0; y < height; y++) {
      const parts = row.map((cell, i) => {
        const padded = pad(cell[y] ?? "", i);
        const original = rows[r]![i] ?? "";
        return typeof original === "string" ? padded : original.paint(padded);
      });
      lines.push(parts.join(gap));
    }
  });
  return lines.map((line) => line.trimEnd()).join("\n");
}

/** Breaks at spaces, else behind other joints, else anywhere. Control characters become visible. */
function wrap(text: string, width = Number.POSITIVE_INFINITY): string[] {
  let rest = printableLine(text);
  const lines: string[] = [];
  while (rest.length > width) {
    const space = rest.lastIndexOf(" ", width);
    const joint = Math.max(...["_", ",", "(", "/"].map((mark) => rest.lastIndexOf(mark, width - 1) + 1));
    const end = space > 0 ? space : joint > 0 ? joint : width;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...lines, rest];
}
