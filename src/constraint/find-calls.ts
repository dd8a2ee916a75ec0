/** @file Functions that a prompt lists by their signatures, one of which every answer calls as code does. */
import { type FunctionSignature, parseSignature } from "./calls.ts";
import { callsSpec, type FoundConstraint } from "./spec.ts";

const list = /\b(?:functions|tools|calls)\b(?: you (?:can|may) (?:call|use))?(?: are)?:\s*/giu;
const one = /\s*(?:[-*•][ \t]+)?([\p{L}_$][\p{L}\p{N}_$.-]{0,99}\([^()\n]{0,1000}\))/uy;
/** What may stand between two of them: a comma, or a description up to the end of the line. */
const between =
  /\s*(?:,|;|\band\b|,\s*and\b)(?=\s)|[ \t]*(?:(?::| [-–—]) [^\n]{0,500})?\n(?=\s*[-*•]?\s*[\p{L}_$][^\s()]{0,99}\()/uy;
/** How an answer gives an argument: by its name, in double quotes. */
const shown = /\b[\p{L}_$][\p{L}\p{N}_$.-]*\([\p{L}_$][\p{L}\p{N}_$.-]*="[^"\n]{0,100}"/u;
const asksForOne = /\b(?:a|one|single|the|with) (?:single |one |function |right )*calls?\b|\bonly (?:the|a) call\b/iu;
/** That there may be no call, several, or something beside it. */
const asksForMore =
  /\b(?:explain|reasons?|why|otherwise|if (?:no|none|nothing|unsure)|several|one or more|zero or more|multiple|each of|then (?:say|tell|write|answer)|followed by|calls in|list of calls|natural language|or (?:answer|reply|say))\b/iu;

/** Throws as `callsSpec` does for functions that cannot be kept. */
export function findCalls(prompt: string): FoundConstraint | undefined {
  if (!shown.test(prompt) || !asksForOne.test(prompt) || asksForMore.test(prompt)) return undefined;
  const found = [...prompt.matchAll(list)].flatMap((match) => {
    const functions = signaturesFrom(prompt, match.index + match[0].length);
    return functions.length === 0 ? [] : [{ functions, because: match[0].trim() }];
  });
  const [only] = found;
  return only === undefined || found.length > 1
    ? undefined
    : { spec: callsSpec(only.functions), because: only.because };
}

function signaturesFrom(prompt: string, from: number): FunctionSignature[] {
  const functions: FunctionSignature[] = [];
  for (let at = from; ; ) {
    one.lastIndex = at;
    const match = one.exec(prompt);
    const parsed = match === null ? undefined : parseSignature(match[1]!);
    if (parsed === undefined) return functions;
    functions.push(parsed);
    between.lastIndex = one.lastIndex;
    if (between.exec(prompt) === null) return functions;
    at = between.lastIndex;
  }
}
