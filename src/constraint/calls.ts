/** @file One call of a closed list of functions, written as code: `water(bed="2", minutes="10")`. */
import { AppError } from "../base/errors.ts";
import { choice, type Grammar, optional, repeat, sequence, text } from "./grammar.ts";
import { stringGrammar } from "./json-grammar.ts";

export type FunctionSignature = { readonly name: string; readonly parameters: readonly string[] };

const name = /^[\p{L}_$][\p{L}\p{N}_$.-]{0,99}$/u;

/** Most functions, and parameters of each. */
export const callLimits = { functions: 200, parameters: 30 } as const;

/**
 * Any of a function's parameters, by name, in any order, their values strings in double quotes as JSON writes them. That none is given
 * twice is not kept: only their number is.
 */
export const callsGrammar = (functions: readonly FunctionSignature[]): Grammar =>
  choice(
    ...functions.map(({ name, parameters }) => sequence(text(`${name}(`), argumentsGrammar(parameters), text(")"))),
  );

function argumentsGrammar(parameters: readonly string[]): Grammar {
  if (parameters.length === 0) return text("");
  const one = sequence(choice(...parameters.map((parameter) => text(`${parameter}=`))), stringGrammar());
  return optional(sequence(one, repeat(sequence(text(", "), one), 0, parameters.length - 1)));
}

/** Throws E_USAGE for no function, a name that is none, or one twice; E_LIMIT for too many. */
export function requireSignatures(functions: readonly FunctionSignature[]): void {
  const refuse = (found: string) => {
    throw new AppError("E_USAGE", `functions: expected different names with different parameters, found ${found}`);
  };
  if (functions.length === 0) refuse("none");
  requireCount("functions", functions.length, callLimits.functions);
  requireNames(
    functions.map(({ name }) => name),
    refuse,
  );
  for (const { parameters } of functions) {
    requireCount("parameters", parameters.length, callLimits.parameters);
    requireNames(parameters, refuse);
  }
}

function requireCount(what: string, found: number, most: number): void {
  if (found > most) throw new AppError("E_LIMIT", `functions: expected at most ${most} ${what}, found ${found}`);
}

function requireNames(names: readonly string[], refuse: (found: string) => void): void {
  const seen = new Set<string>();
  for (const one of names) {
    if (!name.test(one)) refuse(one === "" ? "an empty name" : `the name ${JSON.stringify(one.slice(0, 100))}`);
    if (seen.has(one)) refuse(`${one} twice`);
    seen.add(one);
  }
}

const signature = /^\s*([^\s()]+)\(([^()]*)\)\s*$/u;

/** `water(bed, minutes)`; undefined for what is no such thing. */
export function parseSignature(text: string): FunctionSignature | undefined {
  const found = signature.exec(text);
  if (found === null) return undefined;
  const parameters = found[2]!.trim() === "" ? [] : found[2]!.split(",").map((parameter) => parameter.trim());
  return { name: found[1]!, parameters };
}
