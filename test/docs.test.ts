/** @file Pages that a newcomer can scan: short lines, short paragraphs, a short front page, and links that lead somewhere. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const limits = { lineCharacters: 120, frontPageLines: 150, paragraphLines: 8 } as const; // a third of a screen of 24 lines

const inFolder = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name));
/** The page of each folder in a folder, where it has one. */
const ofFolders = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .map((name) => join(folder, name, "README.md"))
    .filter((page) => existsSync(join(root, page)));
const pages = [
  ...["README.md", "CONTRIBUTING.md"],
  ...["docs", "docs/decisions", "docs/results"].flatMap(inFolder),
  ...["runs", "pairs"].flatMap(ofFolders),
];
const read = (page: string): string[] => readFileSync(join(root, page), "utf8").replace(/\n$/, "").split("\n");

/** A paragraph or an item of a list: the number of its first line, and its lines. */
type Paragraph = { readonly line: number; readonly lines: string[] };

/** What is neither code nor table nor heading. */
function paragraphsOf(lines: readonly string[]): Paragraph[] {
  const found: Paragraph[] = [];
  let isCode = false;
  let open: Paragraph | undefined;
  for (const [i, text] of lines.entries()) {
    const isFence = text.trimStart().startsWith("```");
    if (isFence) isCode = !isCode;
    if (isCode || isFence || text.trim() === "" || /^\s*(\||#)/.test(text)) open = undefined;
    else {
      if (open === undefined || /^\s*([-*]|\d+\.) /.test(text)) {
        open = { line: i + 1, lines: [] };
        found.push(open);
      }
      open.lines.push(text);
    }
  }
  return found;
}

test("code, tables and headings are no prose; items of a list are paragraphs of their own", () => {
  const lines = ["# a", "one", "two", "", "- three", "  four", "- five", "```", "six", "```", "| seven |", "eight"];
  expect(paragraphsOf(lines)).toEqual([
    { line: 2, lines: ["one", "two"] },
    { line: 5, lines: ["- three", "  four"] },
    { line: 7, lines: ["- five"] },
    { line: 12, lines: ["eight"] },
  ]);
});

test("no line of prose is longer than 120 characters", () => {
  const long = pages.flatMap((page) =>
    paragraphsOf(read(page)).flatMap(({ line, lines }) =>
      lines.flatMap((text, i) => ([...text].length > limits.lineCharacters ? [`${page}:${line + i}`] : [])),
    ),
  );
  expect(long).toEqual([]);
});

test("no paragraph is longer than a third of a screen", () => {
  const long = pages.flatMap((page) =>
    paragraphsOf(read(page)).flatMap(({ line, lines }) =>
      lines.length > limits.paragraphLines ? [`${page}:${line} has ${lines.length} lines`] : [],
    ),
  );
  expect(long).toEqual([]);
});

test("pages of results, runs and pairs are among those that are looked at", () => {
  expect(pages).toEqual(expect.arrayContaining(["docs/results/limits.md", "runs/paper/README.md"]) as string[]);
  expect(pages.filter((page) => /^(runs|pairs)\//.test(page)).length).toBeGreaterThan(3);
});

test("the front page has at most 150 lines and no cell of four numbers", () => {
  const lines = read("README.md");
  expect(lines.length).toBeLessThanOrEqual(limits.frontPageLines);
  const cells = lines.filter((line) => line.startsWith("|")).flatMap((line) => line.split("|"));
  expect(cells.length).toBeGreaterThan(20);
  expect(cells.filter((cell) => (cell.match(/(?<![\w.-])\d[\d.,]*/g) ?? []).length > 3)).toEqual([]);
});

test("the index names every page of docs", () => {
  const index = read("docs/README.md").join("\n");
  const missing = inFolder("docs").filter(
    (page) => !page.endsWith("README.md") && !index.includes(`(${page.slice(5)})`),
  );
  expect(missing).toEqual([]);
});

test("every folder of src has its line in the front page and in docs/architecture.md", () => {
  const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const page of ["README.md", "docs/architecture.md"]) {
    const named = read(page).flatMap((line) => /^src\/(\w+) /.exec(line)?.[1] ?? []);
    expect(named.sort(), page).toEqual(folders.map(({ name }) => name).sort());
  }
});

test("links between pages lead to files and headings that exist", () => {
  const anchorsOf = (path: string): string[] =>
    readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line.startsWith("#"))
      .map((line) => line.replace(/^#+ /, "").toLowerCase())
      .map((title) => title.replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"));
  const broken = pages.flatMap((page) =>
    [
      ...read(page)
        .join("\n")
        .matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g),
    ].flatMap(([link, to, anchor]) => {
      const target = to === "" ? join(root, page) : join(root, dirname(page), to!);
      const leads = existsSync(target) && (anchor === undefined || anchorsOf(target).includes(anchor));
      return leads ? [] : [`${page}: ${link}`];
    }),
  );
  expect(broken).toEqual([]);
});
