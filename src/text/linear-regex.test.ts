import { expect, test } from "vitest";
import { createRng, type Rng } from "../base/rng.ts";
import { linearRegex } from "./linear-regex.ts";
import { createBudget } from "./search-budget.ts";

const find = (source: string, text: string) =>
  linearRegex(source, "pattern")
    .matches(text, createBudget(text, "pattern"))
    .map(({ start, end }) => [start, end]);

const quantifiers = ["*", "+", "?", "{0,2}", "{2}", "{1,3}", "{2,}"];
/** A pattern of JavaScript with everything that the search knows. */
function randomPattern(rng: Rng, depth: number): string {
  const part = () => randomPattern(rng, depth - 1);
  const kind = depth === 0 ? 0 : rng.int(10);
  if (kind < 3) return rng.pick(["a", "b", "[ab]", "[^a]", "\\p{L}", "\\s", "😀", ".", "\\u{61}", "\\x62"]);
  if (kind < 5) return part() + part();
  if (kind < 6) return `(?:${part()}|${rng.int(3) === 0 ? "" : part()})`;
  if (kind < 9) return `(?:${part()})${rng.pick(quantifiers)}${rng.int(4) === 0 ? "?" : ""}`;
  return `(?${rng.pick(["=", "!", "<=", "<!"])}${part()})`;
}

test("finds what JavaScript finds, in 6,000 random searches", () => {
  const rng = createRng("patterns");
  let found = 0;
  for (let i = 0; i < 2000; i++) {
    const source = randomPattern(rng, 1 + rng.int(4));
    for (let j = 0; j < 3; j++) {
      const text = Array.from({ length: rng.int(10) }, () => rng.pick(["a", "b", " ", "\n", "é", "😀", "\ud83d"])).join(
        "",
      );
      // V8 finds nothing also between the halves of a character, which the language forbids
      const isPlace = (at: number) => at === 0 || text.codePointAt(at - 1)! <= 0xffff;
      const expected = [...text.matchAll(new RegExp(source, "gu"))].filter(({ index }) => isPlace(index));
      found += expected.length;
      expect(find(source, text), `${source} in ${JSON.stringify(text)}`).toEqual(
        expected.map(({ 0: match, index }) => [index, index + match.length]),
      );
    }
  }
  expect(found).toBeGreaterThan(5000);
});

test.each([
  ["(a+)+(?![\\s\\S])", "a", "b"],
  ["(?:a|aa)+b", "a", ""],
  ["(?:(?:a*)*)*b", "a", ""],
  ["(?:a?){9}b", "a", ""],
  ["(?=.*z)a", "a", "z"],
  ["(?<=b.*)a", "a", ""],
  ["a*b|a", "a", ""],
])("%s takes steps in proportion to the text", (source, repeated, end) => {
  const regex = linearRegex(source, "pattern");
  const steps = (length: number) => {
    let spent = 0;
    regex.matches(repeated.repeat(length) + end, { spend: (more) => (spent += more) });
    return spent;
  };
  expect(steps(40_000)).toBeGreaterThan(40_000);
  expect(steps(40_000)).toBeLessThan(4.1 * steps(10_000));
  expect(steps(40_000)).toBeLessThan(40_000 * 2 * regex.steps);
});

test("a replacement is taken literally", () => {
  const text = "banana";
  expect(linearRegex("a", "pattern").replace(text, "$`$&", createBudget(text, "pattern"))).toBe("b$`$&n$`$&n$`$&");
});

test.each([
  ["(?:){1000000000}", "E_LIMIT"],
  ["((((a{9}){9}){9}){9}){9}", "E_LIMIT"],
  ["(a)\\1", "E_FORMAT"],
  ["(?<x>a)\\k<x>", "E_FORMAT"],
  ["^a", "E_FORMAT"],
])("%s is refused", (source, code) => {
  expect(() => linearRegex(source, "pattern")).toThrow(expect.objectContaining({ code }));
});

test("a text is refused that takes more memory or steps than allowed", () => {
  const text = "a".repeat(200_000);
  const many = Array.from({ length: 300 }, (_, i) => `a{0,3}${i}`).join("|");
  expect(() => find(many, text)).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
  expect(() => find("(?:a?a?a?a?a?a?a?a?a?a?a?a?b|){40}c", text)).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
});
