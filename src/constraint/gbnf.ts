/** @file A grammar in llama.cpp's notation, GBNF. */

import type { CodePoints, Grammar } from "./grammar.ts";
import { answerGrammar, type ConstraintSpec } from "./spec.ts";

/** The answers of a constraint, the rule `root`. Repeated parts become rules of their own. */
export function gbnf(spec: ConstraintSpec): string {
  const grammar = answerGrammar(spec);
  const uses = countUses(grammar);
  const rules: string[] = [];
  const names = new Map<Grammar, string>();

  function write(part: Grammar): string {
    const name = names.get(part);
    if (name !== undefined) return name;
    const body = writers[part.kind](part as never, write);
    if (part.kind === "text" || part.kind === "character" || uses.get(part)! < 2) return body;
    const rule = `r${rules.length}`;
    names.set(part, rule);
    rules.push(`${rule} ::= ${body}`);
    return rule;
  }
  const root = write(grammar);
  return `${[`root ::= ${root}`, ...rules].join("\n")}\n`;
}

type Write = (part: Grammar) => string;

const writers: {
  readonly [Kind in Grammar["kind"]]: (part: Extract<Grammar, { kind: Kind }>, write: Write) => string;
} = {
  text: ({ text }) => `"${[...text].map((character) => escaped(character.codePointAt(0)!, '"')).join("")}"`,
  character: ({ ranges }) => `[${ranges.map(range).join("")}]`,
  sequence: ({ parts }, write) => `(${parts.map(write).join(" ")})`,
  choice: ({ parts }, write) => `(${parts.map(write).join(" | ")})`,
  repeat({ part, min, max }, write) {
    if (min === 0 && max === 0) return '""';
    return `(${write(part)})${min === 0 && max === 1 ? "?" : min === 0 && max === undefined ? "*" : `{${min},${max ?? ""}}`}`;
  },
};

const range = ([from, to]: CodePoints): string =>
  from === to ? escaped(from, "[]^-") : `${escaped(from, "[]^-")}-${escaped(to, "[]^-")}`;

/** A character as it is where that is plain, else by its number. */
function escaped(point: number, special: string): string {
  const character = String.fromCodePoint(point);
  if (point >= 0x20 && point < 0x7f && character !== "\\" && !special.includes(character)) return character;
  const digits = point.toString(16).toUpperCase();
  if (point < 0x100) return `\\x${digits.padStart(2, "0")}`;
  return point < 0x10000 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}

/** How often each part stands in a grammar: parts are shared, not copied. */
function countUses(grammar: Grammar): Map<Grammar, number> {
  const uses = new Map<Grammar, number>();
  const open = [grammar];
  for (let part = open.pop(); part !== undefined; part = open.pop()) {
    const count = (uses.get(part) ?? 0) + 1;
    uses.set(part, count);
    if (count > 1) continue;
    if (part.kind === "repeat") open.push(part.part);
    if (part.kind === "sequence" || part.kind === "choice") open.push(...part.parts);
  }
  return uses;
}
