/** @file What a tokenizer changes in a text before it splits it. */
import { AppError } from "../base/errors.ts";
import { BertNormalizer, PrecompiledNormalizer } from "./hub-tokenizers.ts";
import { regexLimits } from "./linear-regex.ts";
import type { Budget } from "./search-budget.ts";
import type { Finder } from "./tokenizer-patterns.ts";
import type { NormalizerStep, Pattern } from "./tokenizer-steps.ts";

type Change = (text: string, budget: Budget) => string;
type Tools = { readonly compile: (pattern: Pattern) => Finder; readonly what: string };
type StepOf<Type extends NormalizerStep["type"]> = Extract<NormalizerStep, { type: Type }>;

const steps: { readonly [Type in NormalizerStep["type"]]: (step: StepOf<Type>, tools: Tools) => Change } = {
  BertNormalizer(step) {
    const normalizer = new BertNormalizer(step);
    return (text) => normalizer.normalize(text);
  },
  Precompiled() {
    const normalizer = new PrecompiledNormalizer({ type: "Precompiled", precompiled_charsmap: "" });
    return (text) => normalizer.normalize(text);
  },
  Replace({ pattern, content }, { compile }) {
    const finder = compile(pattern);
    return (text, budget) => finder.replace(text, content, budget);
  },
  NFC: () => (text) => text.normalize("NFC"),
  NFD: () => (text) => text.normalize("NFD"),
  NFKC: () => (text) => text.normalize("NFKC"),
  NFKD: () => (text) => text.normalize("NFKD"),
  Strip({ strip_left, strip_right }) {
    return (text) => trimmed(text, { start: strip_left === true, end: strip_right === true });
  },
  StripAccents: () => (text) => text.replace(/\p{M}/gu, ""),
  Lowercase: () => (text) => text.toLowerCase(),
  Prepend:
    ({ prepend }) =>
    (text) =>
      text === "" ? "" : prepend + text,
};

/** All steps in order. The result throws E_LIMIT where a text grows beyond the bound. */
export function createNormalizer(list: readonly NormalizerStep[], tools: Tools): Change {
  const changes = list.map((step) => (steps[step.type] as (step: NormalizerStep, tools: Tools) => Change)(step, tools));
  return (text, budget) =>
    changes.reduce((changed, change) => {
      const next = change(changed, budget);
      if (next.length > regexLimits.resultLength)
        throw new AppError("E_LIMIT", `${tools.what}: normalizer: more than ${regexLimits.resultLength} characters`);
      return next;
    }, text);
}

/** Unicode's white space, which is not JavaScript's: U+0085 is, U+FEFF is not. All of it is one UTF-16 unit each. */
const isSpace = (text: string, at: number): boolean => /\p{White_Space}/u.test(text[at] ?? "");

export function trimmed(text: string, { start, end }: { readonly start: boolean; readonly end: boolean }): string {
  let [from, to] = [0, text.length];
  if (start) while (from < to && isSpace(text, from)) from++;
  if (end) while (to > from && isSpace(text, to - 1)) to--;
  return text.slice(from, to);
}
