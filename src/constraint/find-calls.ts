/** @file Functions that a prompt lists by their signatures, one of which every answer calls: as code does, or as JSON. */
import type { JsonValue } from "../base/json.ts";
import { type FunctionSignature, parseSignature, requireSignatures } from "./calls.ts";
import { type ConstraintSpec, callsSpec, type FoundConstraint, schemaSpec } from "./spec.ts";

const list = /\b(?:functions|tools|calls)\b(?: you (?:can|may) (?:call|use))?(?: are)?:\s{0,8}/giu;
const one = /\s{0,8}(?:[-*•][ \t]+)?([\p{L}_$][\p{L}\p{N}_$.-]{0,99}\([^()\n]{0,1000}\))/uy;
/** What may stand between two of them: a comma, or a description up to the end of the line. */
const between =
  /\s{0,8}(?:,|;|\band\b|, {0,4}and\b)(?=\s)|[ \t]{0,8}(?:(?::| [-–—]) [^\n]{0,500})?\n(?=\s{0,8}[-*•]?[ \t]{0,8}[\p{L}_$][^\s()]{0,99}\()/uy;
/** How an answer gives an argument: by its name, in double quotes. */
const shown = /(?<![\p{L}\p{N}_$.-])[\p{L}_$][\p{L}\p{N}_$.-]{0,99}\([\p{L}_$][\p{L}\p{N}_$.-]{0,99}="[^"\n]{0,100}"/u;
/** The same in JSON: `{"name": "…", "arguments": {"…": "…"}}`, texts in the places of texts. */
const shownArgument = /\s{0,4}"[^"\n]{0,60}"\s{0,4}:\s{0,4}"[^"\n]{0,60}"\s{0,4}/u.source;
const shownAsJson = new RegExp(
  `\\{\\s{0,4}"name"\\s{0,4}:\\s{0,4}"[^"\\n]{0,60}"\\s{0,4},\\s{0,4}"(arguments|parameters|args)"\\s{0,4}:\\s{0,4}\\{${shownArgument}(?:,${shownArgument}){0,9}(?:,?\\s{0,4}(?:…|\\.\\.\\.)\\s{0,4})?\\}\\s{0,4}\\}`,
  "u",
);
const asksForOne =
  /\b(?:a|one|single|with) (?:single |one |function |right ){0,3}calls?\b|\b(?:write|return|output|give|print|only|just|with) the (?:function )?call\b/iu;
/** An order to write it, in the same sentence: not "the user writes one call". */
const orders =
  /(?:^\s*|[:;,]\s{0,4}|\b(?:and|then|please|always|must|should|only|just) )(?:answer|reply|respond|return|output|write|give|print|produce|emit|turn|translate|convert|map|call|make|choose|pick|select)\b/iu;
/** That there may be no call, several, or something beside it. */
const asksForMore =
  /\b(?:when|if|once|unless|greets?|questions?|results?|explain|reasons?|why|otherwise|if (?:no|none|nothing|unsure)|several|one or more|zero or more|multiple|each of|then (?:say|tell|write|answer)|followed by|calls in|list of calls|natural language|or (?:answer|reply|say))\b|(?:^|[.!?:;,\n]\s{0,4}|\b(?:and|also) )(?:say|tell|describe|summari[sz]e|add|ask|greet|help|apologi[sz]e)\b/iu;

/** Throws as `callsSpec` and `schemaSpec` do for functions that cannot be kept. */
export function findCalls(prompt: string): FoundConstraint | undefined {
  const asJson = shownAsJson.exec(prompt);
  if (shown.test(prompt) === (asJson !== null) || !ordersOne(prompt)) return undefined;
  const found = [...prompt.matchAll(list)].flatMap((match) => {
    const from = match.index + match[0].length;
    const { functions, end } = signaturesFrom(prompt, from);
    return functions.length === 0 ? [] : [{ functions, from, end, because: match[0].trim() }];
  });
  const [only] = found;
  if (only === undefined || found.length > 1) return undefined;
  const { functions, from, end, because } = only;
  const rest = `${prompt.slice(0, from)} ${prompt.slice(end)}`;
  if (asksForMore.test(rest) || another.test(rest)) return undefined;
  return { spec: asJson === null ? callsSpec(functions) : jsonCallsSpec(functions, asJson[1]!), because };
}

const ordersOne = (prompt: string): boolean =>
  prompt.split(/[.!?]\s|\n/u).some((sentence) => asksForOne.test(sentence) && orders.test(sentence));

/** Any of the arguments in alphabetical order, in which generators learn to write them; their values are texts. */
function jsonCallsSpec(functions: readonly FunctionSignature[], argumentsKey: string): ConstraintSpec {
  requireSignatures(functions);
  const calls = functions.map(({ name, parameters }): JsonValue => {
    const values = Object.fromEntries(parameters.toSorted().map((parameter) => [parameter, { type: "string" }]));
    return {
      type: "object",
      properties: {
        name: { const: name },
        [argumentsKey]: { type: "object", properties: values, additionalProperties: false },
      },
      required: ["name", argumentsKey],
      additionalProperties: false,
    };
  });
  return schemaSpec(calls.length === 1 ? calls[0]! : { anyOf: calls });
}

/** A signature outside the list: it goes on in a way that is not understood. */
const another = /(?<![\p{L}\p{N}_$.-])[\p{L}_$][\p{L}\p{N}_$.-]{0,99}\([^()="\n]{0,1000}\)/u;

function signaturesFrom(prompt: string, from: number): { functions: FunctionSignature[]; end: number } {
  const functions: FunctionSignature[] = [];
  for (let at = from; ; ) {
    one.lastIndex = at;
    const match = one.exec(prompt);
    const parsed = match === null ? undefined : parseSignature(match[1]!);
    if (parsed === undefined) return { functions, end: at };
    functions.push(parsed);
    const end = one.lastIndex;
    between.lastIndex = end;
    if (between.exec(prompt) === null) return { functions, end: lineEnd(prompt, end) };
    at = between.lastIndex;
  }
}

/** Where a description ends that stands behind the last signature on its line. */
function lineEnd(prompt: string, from: number): number {
  const described = /^[ \t]{0,8}(?::| [-–—]) [^\n]{0,500}/u.exec(prompt.slice(from, from + 520));
  return from + (described?.[0].length ?? 0);
}
