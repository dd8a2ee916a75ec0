/** @file The patterns of a tokenizer: fixed texts and regular expressions (in Oniguruma's syntax), searched in linear time and bounded together. */
import { AppError } from "../base/errors.ts";
import { SplitPreTokenizer } from "./hub-tokenizers.ts";
import { type LinearRegex, linearRegex, type Match, regexLimits } from "./linear-regex.ts";
import type { Pattern } from "./tokenizer-steps.ts";

export type Finder = Pick<LinearRegex, "matches" | "replace">;

export type Patterns = {
  compile(pattern: Pattern): Finder;
  /** How large all patterns so far are together. */
  steps(): number;
};

/** Compiles the patterns of one file. Throws E_FORMAT for one that is not understood, E_LIMIT where they are too large together. */
export function createPatterns(what: string): Patterns {
  let steps = 0;
  return {
    steps: () => steps,
    compile(pattern) {
      if ("String" in pattern) return literal(pattern.String);
      const regex = linearRegex(javaScriptSource(pattern.Regex, what), what);
      steps += regex.steps;
      if (steps > regexLimits.steps)
        throw new AppError("E_LIMIT", `${what}: regular expressions of more than ${regexLimits.steps} steps`);
      return regex;
    },
  };
}

function javaScriptSource(regex: string, what: string): string {
  try {
    const split = { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
    return new SplitPreTokenizer(split).pattern.source;
  } catch (cause) {
    throw new AppError("E_FORMAT", `${what}: not a regular expression (${(cause as Error).message})`, { cause });
  }
}

/** An empty text is nowhere. */
function literal(wanted: string): Finder {
  const matches = (text: string): Match[] => {
    const found: Match[] = [];
    if (wanted === "") return found;
    for (let start = text.indexOf(wanted); start >= 0; start = text.indexOf(wanted, start + wanted.length))
      found.push({ start, end: start + wanted.length });
    return found;
  };
  return { matches, replace: (text, by) => (wanted === "" ? text : text.split(wanted).join(by)) };
}
