/** @file A line of a Markdown table. */

export const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
