/** @file What pages are made of: tables and paragraphs. */
import { markdownTable } from "../../src/cli/markdown-table.ts";

type Cell = string | number;

/** The first column is text, the others stand to the right. */
export const table = (titles: readonly string[], rows: readonly (readonly Cell[])[]): string =>
  markdownTable(
    titles.map((title, i) => ({ title, ...(i === 0 ? {} : { align: "right" as const }) })),
    rows.map((row) => row.map(String)),
  );

/** The same with all columns to the left. */
export const words = (titles: readonly string[], rows: readonly (readonly string[])[]): string =>
  markdownTable(
    titles.map((title) => ({ title })),
    rows,
  );

export const paragraphs = (...parts: readonly string[]): string => parts.join("\n\n");

/** "51.7", and "−2.6" with the minus sign of texts. */
export const number = (value: number, digits = 1): string => value.toFixed(digits).replace("-", "−");
export const signed = (value: number, digits = 1): string => `${value < 0 ? "" : "+"}${number(value, digits)}`;
