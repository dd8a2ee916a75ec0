/** @file A JSON schema that a prompt quotes for its answers, or the functions of which an answer calls one. */
import { type JsonValue, parseJson } from "../base/json.ts";
import { type FoundConstraint, schemaSpec } from "./spec.ts";

const asksForIt = /\b(?:answer|return|output|reply|respond)\b[^.]{0,80}\b(?:json|schema|match|fits?)\b/iu;
/** An order to answer, or what answers must be. */
const orders =
  /(?:^\s*|[,;:]\s{0,4}|\b(?:and|then|please|always|must|should|only|to) )(?:answer|return|output|reply|respond|write|give|print)\b|\b(?:output|answer|reply|response|result)s? (?:must|should|has to|is to)\b/iu;
/** A sentence that does no more than name the schema. */
const namesSchema =
  /^(?:(?:here is|this is|use|follow) )?(?:(?:the|this|our|a) )?(?:(?:json|output|answer|response) )*schema(?: (?:of|for) (?:the|your) (?:answers?|output))?(?: is)?(?: below)?$/iu;
const asksForSchema =
  /\b(?:answer|return|output|reply|respond)\b[^.]{0,80}\b(?:schema|match|fits?|conforms?|follows?)\b/iu;
/** That there are answers of another form, or none. */
const inSomeCases =
  /(?:^|[.!?,;:]\s{1,4}|\n\s{0,8})(?:if|when|whenever|unless|otherwise)\b[^.\n]{0,200}\b(?:answer|reply|respond|return|output|say|write|tell|ask|apologi[sz]e)\b|\b(?:answer|reply|respond|return|output)\b[^.\n]{0,200}\b(?:if|when|whenever|unless)\b/iu;
const discussesIt = /\b(?:explain|write a json schema|mistake|meaning|what this|plain english|describe)\b/iu;
/** How an answer calls a function: its name, then its arguments. */
const call = /"name"[^\n]{0,60}"arguments"/u;

/** Throws as `schemaSpec` does for a schema that cannot be kept. */
export function findSchema(prompt: string): FoundConstraint | undefined {
  const blocks = jsonBlocks(prompt);
  const rest = blocks.reduce((text, { source }) => text.replace(source, " "), prompt);
  if (discussesIt.test(rest) || inSomeCases.test(rest) || !asksForIt.test(rest)) return undefined;
  if (blocks.some(({ value }) => hasNumberKey(value))) return undefined;
  const because = asksForIt.exec(rest)![0].replace(/\s+/g, " ");
  const schemas = blocks.filter(({ value }) => isSchema(value));
  if (schemas.length === 1 && /\bschema\b/iu.test(rest))
    return isForAnswers(prompt, schemas[0]!) ? { spec: schemaSpec(schemas[0]!.value), because } : undefined;
  const example = exampleObject(prompt, blocks, rest);
  if (example !== undefined) return { spec: schemaSpec(example), because };
  const calls = blocks.flatMap(({ value }) => functionsOf(value) ?? []);
  if (calls.length === 0 || schemas.length > 0 || !call.test(rest)) return undefined;
  return { spec: schemaSpec(calls.length === 1 ? calls[0]! : { anyOf: calls }), because };
}

type Block = { readonly value: JsonValue; readonly source: string; readonly from: number };

/** Whether a quoted schema says what answers are, not what comes in: the sentence in front of it orders them, or names it for one that does. */
function isForAnswers(prompt: string, { from, source }: Block): boolean {
  const sentence = sentenceBefore(prompt, from);
  if (orders.test(sentence)) return true;
  const behind = prompt.slice(from + source.length);
  return (
    (sentence === "" || namesSchema.test(sentence)) &&
    /^(?:\s*```)?\s*(?:\p{Lu}|$)/u.test(behind) &&
    asksForSchema.test(`${prompt.slice(0, from)} ${behind}`)
  );
}

/** The sentence that ends at `at`, with a colon, a stop or an open code block, or goes on there. */
function sentenceBefore(prompt: string, at: number): string {
  const text = prompt
    .slice(Math.max(0, at - 400), at)
    .trimEnd()
    .replace(/```\w{0,20}$/u, "")
    .trimEnd()
    .replace(/[.:]$/u, "");
  return text
    .split(/[.!?]\s|\n/u)
    .at(-1)!
    .trim();
}

/** JavaScript puts such keys first, so they would be asked for in another order than the prompt shows. */
const hasNumberKey = (value: JsonValue): boolean =>
  value !== null &&
  typeof value === "object" &&
  ((!Array.isArray(value) && Object.keys(value).some((key) => /^\d+$/u.test(key))) ||
    Object.values(value).some(hasNumberKey));

/** How many openings are tried, so that a prompt of brackets alone is read quickly. */
const maxTries = 200;

/** The objects and lists of JSON that stand in a text, outermost ones only. */
function jsonBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  let tries = 0;
  for (let at = 0; at < text.length && tries < maxTries; at++) {
    if (text[at] !== "{" && text[at] !== "[") continue;
    tries++;
    const end = blockEnd(text, at);
    const source = end === undefined ? "" : text.slice(at, end);
    try {
      blocks.push({ value: parseJson(source, { what: "prompt" }), source, from: at });
      at = end! - 1;
    } catch {} // not JSON, or too deep: look further
  }
  return blocks;
}

/** Behind the bracket that closes the one at `start`; strings hold none. */
function blockEnd(text: string, start: number): number | undefined {
  let depth = 0;
  let isString = false;
  for (let i = start; i < text.length; i++) {
    const letter = text[i];
    if (isString) {
      if (letter === "\\") i++;
      else if (letter === '"') isString = false;
    } else if (letter === '"') isString = true;
    else if (letter === "{" || letter === "[") depth++;
    else if ((letter === "}" || letter === "]") && --depth === 0) return i + 1;
  }
  return undefined;
}

const isObject = (value: JsonValue | undefined): value is { [key: string]: JsonValue } =>
  value !== null && typeof value === "object" && !Array.isArray(value);

const isSchema = (value: JsonValue): boolean =>
  isObject(value) && (isObject(value["properties"]) || "$schema" in value || "anyOf" in value) && !("name" in value);

/** That a key may be left out, or hold something else than in the example. */
const isLoose =
  /\b(?:optional(?:ly)?|omit|leave (?:out|it)|left out|skip|null|if (?:any|there|it|they|the|not)|missing|may|might|mentioned|only those|list|array|several|objects|empty|unknown|each|every|per|more|comes?|given|input|not)\b/iu;

/** What a model reads from, not what it answers for: these words say nothing of the form. */
const ofInputs = /\b(?:from|in) (?:each|every|the|an) (?:message|e-?mail|input|text|review|ticket)\b/giu;

/** An object of texts that shows the form, all of its keys named in the prompt as well: with the keys "a" and "b", as in {"a": "x", "b": "y"}. */
function exampleObject(prompt: string, blocks: readonly Block[], rest: string): JsonValue | undefined {
  const [only] = blocks;
  if (blocks.length !== 1 || !isObject(only!.value) || isLoose.test(rest.replace(ofInputs, " "))) return undefined;
  const before = prompt.slice(0, only!.from);
  const ofKeys = sentenceBefore(prompt, Math.max(0, before.search(/\bkeys?\b/iu)));
  const isListed = /^(?:the|its|use the)$/iu.test(ofKeys) && asksForIt.test(before); // Answer in JSON. The keys are …
  if (!isListed && !orders.test(ofKeys) && !orders.test(sentenceBefore(prompt, only!.from))) return undefined;
  const keys = Object.keys(only!.value);
  const isNamed = (key: string) => rest.includes(`"${key}"`);
  if (keys.length === 0 || !keys.every(isNamed) || !/\bkeys?\b/iu.test(rest)) return undefined;
  if (!Object.values(only!.value).every((value) => typeof value === "string")) return undefined;
  const named = [...rest.matchAll(/\bkeys?\b[^.\n]*/giu)].flatMap(([text]) => [...text.matchAll(/"([^"\n]{1,60})"/gu)]);
  if (named.some(([, key]) => !keys.includes(key!))) return undefined; // keys that the example lacks
  return {
    type: "object",
    properties: Object.fromEntries(keys.map((key) => [key, { type: "string" }])),
    required: keys,
    additionalProperties: false,
  };
}

/** Tools as they are described to models: `{name, parameters}`, or the same within `{type: "function", function}`. */
function functionsOf(value: JsonValue): JsonValue[] | undefined {
  const listed = Array.isArray(value) ? value : [value];
  const calls = listed.map((entry) => {
    const described = isObject(entry) && isObject(entry["function"]) ? entry["function"] : entry;
    if (!isObject(described) || typeof described["name"] !== "string" || !isObject(described["parameters"]))
      return undefined;
    return {
      type: "object",
      properties: { name: { const: described["name"] }, arguments: described["parameters"] },
      required: ["name", "arguments"],
      additionalProperties: false,
    };
  });
  return calls.length > 0 && calls.every((entry) => entry !== undefined) ? calls : undefined;
}
