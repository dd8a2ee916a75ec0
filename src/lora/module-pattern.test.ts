/** @file Expressions on names of modules: Python's answers, and bounded time. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { compilePattern, matchesStart, matchesWhole, newBudget, patternLimits } from "./module-pattern.ts";

type Fixture = { readonly names: readonly string[]; readonly cases: readonly [string, string, string][] };
const path = resolve(import.meta.dirname, "../../test/fixtures/module-patterns.json");
const { names, cases } = JSON.parse(readFileSync(path, "utf8")) as Fixture;

test.each(cases)("%s takes the names that Python's re takes", (expression, whole, key) => {
  const marks = (source: string, matches: typeof matchesWhole) => {
    const pattern = compilePattern(source, "test", newBudget());
    return names.map((name) => (matches(pattern, name) ? "1" : "0")).join("");
  };
  expect(marks(expression, matchesWhole)).toBe(whole);
  expect(marks(`(.*\\.)?(${expression})$`, matchesStart)).toBe(key);
});

test.each([
  ["(?=a)", "a lookaround"],
  ["(?<!a)b", "a lookaround"],
  ["(?i)a", "a flag"],
  ["(a)\\1", "a back-reference"],
  ["a*+", "a possessive repeat"],
  ["a**", "a repeat of a repeat"],
  ["*a", "a repeat of nothing"],
  ["a|{2}", "a repeat of nothing"],
  ["^*", "a repeat of an anchor"],
  ["a{3,2}", "from more to less"],
  ["a{1001}", "more than 1000 times"],
  ["[b-a]", "a range that is none"],
  ["[a-\\d]", "a range that is none"],
  ["[a", "a set that is not closed"],
  ["(a", "a group that is not closed"],
  ["a)", "closes nothing"],
  ["a\\", "a backslash at its end"],
  ["\\q", "an unknown escape"],
  ["(".repeat(70), "more than 64 groups"],
])("%s is refused: %s", (expression, text) => {
  expect(() => compilePattern(expression, "where", newBudget())).toThrow(
    expect.objectContaining({ code: "E_CONFIG", message: expect.stringContaining(text) as unknown }),
  );
});

test("an expression that is too long, or too large written out, is E_LIMIT", () => {
  for (const expression of ["a".repeat(patternLimits.length + 1), "((a{999}){999}){999}", "(a|b|c){1000}".repeat(300)])
    expect(() => compilePattern(expression, "where", newBudget())).toThrow(
      expect.objectContaining({ code: "E_LIMIT" }),
    );
});

test("5,000 random expressions compile and match within their budget, or are refused by code", () => {
  const signs = [
    "a",
    ".",
    "*",
    "+",
    "?",
    "(",
    ")",
    "|",
    "[",
    "]",
    "^",
    "$",
    "\\",
    "{",
    "}",
    "1",
    ",",
    "-",
    "(?:",
    "\\w",
    "\u0000",
    "é",
  ];
  const outcomes: Record<string, number> = {};
  const rng = createRng("expressions");
  for (let i = 0; i < 5000; i++) {
    const expression = Array.from({ length: 1 + rng.int(40) }, () => rng.pick(signs)).join("");
    let outcome = "matched";
    try {
      const pattern = compilePattern(expression, "where", newBudget());
      for (const name of ["a".repeat(200), ...names]) matchesWhole(pattern, name);
    } catch (error) {
      outcome = (error as { code?: string }).code ?? `no code: ${expression}`;
    }
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  expect(Object.keys(outcomes).sort()).toEqual(["E_CONFIG", "matched"]);
  expect(outcomes["matched"]).toBeGreaterThan(300);
});
