import { expect, test } from "vitest";
import { wrapped } from "./markdown.ts";

const words = (count: number, word = "word") => new Array(count).fill(word).join(" ");

test("prose is broken at words into lines of at most 120 characters, and says the same", () => {
  const text = `- ${words(60)} \`a command of ${words(6)}\` ends\n\n${words(50)}`;
  const lines = wrapped(text).split("\n");
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(120);
  expect(lines.filter((line) => line.startsWith("- "))).toHaveLength(1);
  expect(lines[1]).toMatch(/^ {2}word/); // still of the item
  expect(wrapped(text).replaceAll(/\s+/g, " ")).toBe(text.replaceAll(/\s+/g, " "));
  expect(lines.some((line) => line.includes(`\`a command of ${words(6)}\``))).toBe(true);
  expect(wrapped(wrapped(text))).toBe(wrapped(text));
});

test("no line begins a list that was none, and tables, headings and code stay whole", () => {
  expect(wrapped(`${words(24)} 12 2. end`)).not.toMatch(/^2\./m);
  for (const line of [`| ${words(60)} |`, `# ${words(60)}`, `\`\`\`\n${words(60)}\n\`\`\``])
    expect(wrapped(line)).toBe(line);
});
