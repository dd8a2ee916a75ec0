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

const lineCharacters = 120;

/** Prose in lines of at most 120 characters, as all pages have; tables, headings and code stay as they are. */
export function wrapped(markdown: string): string {
  let isCode = false;
  return markdown
    .split("\n")
    .map((line) => {
      if (line.startsWith("```")) isCode = !isCode;
      return isCode || /^(\||#|```)/.test(line) ? line : wrappedLine(line);
    })
    .join("\n");
}

/** A word that would begin a list or a quotation where it stands first in a line. */
const opensBlock = /^([-*+>#|]+|\d+[.)])$/;

function wrappedLine(line: string): string {
  if (line.length <= lineCharacters) return line;
  const begin = /^\s*([-*] |\d+\. )?/.exec(line)![0];
  const lines: string[][] = [[]];
  let length = begin.length;
  for (const word of line.slice(begin.length).match(/(?:`[^`]*`|\S)+/g)!) {
    const last = lines.at(-1)!;
    if (last.length > 1 && length + word.length > lineCharacters) {
      const next = opensBlock.test(word) ? [last.pop()!, word] : [word];
      lines.push(next);
      length = begin.length + next.join(" ").length + 1;
    } else {
      last.push(word);
      length += word.length + 1;
    }
  }
  return lines.map((words, i) => (i === 0 ? begin : " ".repeat(begin.length)) + words.join(" ")).join("\n");
}
