/** @file A Markdown table. */

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

/** @param isText which columns are words, to the left; numbers are to the right */
export const markdownTable = (
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  isText: (title: string, column: number) => boolean,
): string =>
  [line(titles), line(titles.map((title, column) => (isText(title, column) ? "---" : "--:"))), ...rows.map(line)].join(
    "\n",
  );
