/** @file How a tokenizer splits a text into the pieces that are merged within, as Hugging Face's tokenizers does. */
import { byteCharacters } from "./bpe-train.ts";
import type { Match } from "./linear-regex.ts";
import type { Budget } from "./search-budget.ts";
import type { Finder } from "./tokenizer-patterns.ts";
import type { Pattern, SplitBehavior, SplitStep } from "./tokenizer-steps.ts";

/** Whether a piece is the beginning of the whole text; what searching that text may cost. */
type Place = { readonly isFirst: boolean; readonly budget: Budget };
type Cut = (piece: string, place: Place) => readonly string[];
type StepOf<Type extends SplitStep["type"]> = Extract<SplitStep, { type: Type }>;
type Compile = (pattern: Pattern) => Finder;

/**
 * GPT-2's words. `\s` is Unicode's white space, as in the original and in every other implementation: JavaScript's own has U+FEFF, and
 * has not U+0085. A fixed pattern whose alternatives begin differently: JavaScript's engine searches it in linear time.
 */
const gpt2Words =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const words =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;
const notSpace = /\P{White_Space}+/gu;
const number = /\p{N}/gu;
const punctuation = /[\p{P}!-/:-@[-`{-~]/gu;
const bertWords = /[\p{P}!-/:-@[-`{-~]|[^\p{P}!-/:-@[-`{-~\p{White_Space}]+/gu;

const bytes = byteCharacters();
const encoder = new TextEncoder();
const toByteCharacters = (text: string): string => Array.from(encoder.encode(text), (byte) => bytes[byte]).join("");

const steps: { readonly [Type in SplitStep["type"]]: (step: StepOf<Type>, compile: Compile) => Cut } = {
  BertPreTokenizer: () => (piece) => piece.match(bertWords) ?? [],
  Whitespace: () => (piece) => piece.match(words) ?? [],
  WhitespaceSplit: () => (piece) => piece.match(notSpace) ?? [],
  Metaspace({ replacement, prepend_scheme, add_prefix_space, split }) {
    const scheme = add_prefix_space === false ? "never" : prepend_scheme;
    return (piece, { isFirst }) => {
      const marked = piece.replaceAll(" ", () => replacement);
      const isPrefixed = scheme === "always" || (scheme === "first" && isFirst);
      const whole = isPrefixed && !marked.startsWith(replacement) ? replacement + marked : marked;
      if (split === false) return [whole];
      return splitBetween(whole, occurrences(whole, replacement), "MergedWithNext");
    };
  },
  ByteLevel({ add_prefix_space, use_regex }) {
    return (piece) => {
      const whole = add_prefix_space === true && !piece.startsWith(" ") ? ` ${piece}` : piece;
      return (use_regex === false ? [whole] : (whole.match(gpt2Words) ?? [])).map(toByteCharacters);
    };
  },
  Split({ pattern, behavior, invert }, compile) {
    const finder = compile(pattern);
    return (piece, { budget }) => splitBetween(piece, finder.matches(piece, budget), behavior, invert === true);
  },
  Punctuation({ behavior }) {
    return (piece) => splitBetween(piece, matchesOf(piece, punctuation), behavior);
  },
  Digits({ individual_digits }) {
    return (piece) =>
      splitBetween(piece, matchesOf(piece, number), individual_digits === true ? "Isolated" : "Contiguous");
  },
  Replace({ pattern, content }, compile) {
    const finder = compile(pattern);
    return (piece, { budget }) => [finder.replace(piece, content, budget)];
  },
  FixedLength({ length }) {
    return (piece) => {
      const characters = [...piece];
      const pieces: string[] = [];
      for (let i = 0; i < characters.length; i += length) pieces.push(characters.slice(i, i + length).join(""));
      return pieces;
    };
  },
};

/** These write pieces anew; the others give parts of what they get. */
const rewriting: ReadonlySet<SplitStep["type"]> = new Set(["ByteLevel", "Metaspace", "Replace"]);

/** All steps in order, each on every piece of the one before. Pieces without text are dropped. */
export function createSplitter(list: readonly SplitStep[], compile: Compile): (text: string, place: Place) => string[] {
  const cuts = list.map(({ type }, i) => ({
    cut: (steps[type] as (step: SplitStep, compile: Compile) => Cut)(list[i]!, compile),
    isRewriting: rewriting.has(type),
  }));
  return (text, place) => {
    let pieces = text === "" ? [] : [text];
    let { isFirst } = place; // whether the first piece begins where the text does
    for (const { cut, isRewriting } of cuts) {
      const before = pieces[0];
      pieces = pieces
        .flatMap((piece, i) => cut(piece, { ...place, isFirst: isFirst && i === 0 }))
        .filter((piece) => piece !== "");
      isFirst &&= isRewriting || before?.startsWith(pieces[0] ?? "") === true;
    }
    return pieces;
  };
}

const matchesOf = (text: string, pattern: RegExp): Match[] =>
  Array.from(text.matchAll(pattern), ({ 0: found, index }) => ({ start: index, end: index + found.length }));

function occurrences(text: string, character: string): Match[] {
  const found: Match[] = [];
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + character.length))
    found.push({ start: at, end: at + character.length });
  return found;
}

type Part = { readonly text: string; readonly isDelimiter: boolean };

/** Cuts a text at what was found, the delimiters; with `isInverted` what was found is the text between them. */
function splitBetween(
  text: string,
  found: readonly Match[],
  behavior: SplitBehavior,
  isInverted = false,
): readonly string[] {
  const parts: Part[] = [];
  let from = 0;
  const add = (end: number, isDelimiter: boolean) => {
    if (end > from) parts.push({ text: text.slice(from, end), isDelimiter: isDelimiter !== isInverted });
    from = end;
  };
  for (const { start, end } of found) {
    add(start, false);
    add(end, true);
  }
  add(text.length, false);
  return behaviors[behavior](parts);
}

const behaviors: { readonly [Name in SplitBehavior]: (parts: readonly Part[]) => readonly string[] } = {
  Removed: (parts) => parts.filter(({ isDelimiter }) => !isDelimiter).map(({ text }) => text),
  Isolated: (parts) => parts.map(({ text }) => text),
  Contiguous: (parts) => joined(parts, (part, before) => part.isDelimiter === before.isDelimiter),
  MergedWithPrevious: (parts) => joined(parts, (part, before) => part.isDelimiter && !before.isDelimiter),
  MergedWithNext: (parts) => joined(parts, (part, before) => before.isDelimiter && !part.isDelimiter),
};

/** Neighbours put together where `belongs` says so. */
function joined(parts: readonly Part[], belongs: (part: Part, before: Part) => boolean): string[] {
  const groups: string[][] = [];
  for (const [i, part] of parts.entries()) {
    if (i > 0 && belongs(part, parts[i - 1]!)) groups.at(-1)!.push(part.text);
    else groups.push([part.text]);
  }
  return groups.map((group) => group.join(""));
}
