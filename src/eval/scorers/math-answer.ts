/** @file The final answer of a mathematical solution, in LaTeX: how MATH is scored (Hendrycks et al., 2021, `is_equiv` of hendrycks/math). */
import { quote, type Scorer, verdict } from "./scorer.ts";

/** What the last `\boxed{…}` holds, braces inside included; else what follows the last "answer is"; else the last line. */
export function finalAnswer(text: string): string {
  const boxed = lastBoxed(text);
  if (boxed !== undefined) return boxed;
  const said = [...text.matchAll(/answer is:?\s*([^\n]*)/gi)].at(-1)?.[1];
  return (said ?? text.trim().split("\n").at(-1)!).trim().replace(/\.$/, "");
}

function lastBoxed(text: string): string | undefined {
  const marks = [...text.matchAll(/\\f?boxed\s*\{/g)];
  const mark = marks.at(-1);
  if (mark === undefined) return undefined;
  const from = mark.index + mark[0].length;
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text[at] === "{") depth++;
    if (text[at] === "}" && --depth === 0) return text.slice(from, at);
  }
  return undefined;
}

/** Spellings of one value made one, in the order of the original. */
const spellings: readonly (readonly [RegExp, string])[] = [
  [/\n/g, ""],
  [/\\!/g, ""],
  [/\\\\/g, "\\"],
  [/[td]frac/g, "frac"],
  [/\\left|\\right/g, ""],
  [/\^\{\\circ\}|\^\\circ/g, ""],
  [/\\?\$/g, ""],
  [/\\text\{ .*$/, ""], // units on the right
  [/\\?%/g, ""],
  [/(^|\{| )\./g, "$10."],
  [/^[a-zA-Z]{1,2}\s*=/, ""],
  [/\\sqrt(\w)/g, "\\sqrt{$1}"],
  [/\s+/g, ""],
  [/\\frac(\d)(\d)/g, "\\frac{$1}{$2}"],
  [/\\frac(\d)\{/g, "\\frac{$1}{"],
  [/(\\frac\{[^{}]*\})(\d)/g, "$1{$2}"],
  [/^0\.5$/, "\\frac{1}{2}"],
  [/^(-?\d+)\/(\d+)$/, "\\frac{$1}{$2}"],
];

const normalized = (text: string): string =>
  spellings.reduce((done, [from, to]) => done.replace(from, to), text.trim());

export const mathAnswer: Scorer = {
  summary: "the boxed answer, in LaTeX, is the target but for its spelling (MATH)",
  score({ answer, target }) {
    const [said, wanted] = [finalAnswer(answer), lastBoxed(target) ?? target];
    return verdict(normalized(said) === normalized(wanted), `expected ${quote(wanted)}, found ${quote(said)}`);
  },
};
