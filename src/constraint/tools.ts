/**
 * @file Tools that a request offers: an answer calls one of them, `{"name": "pay", "arguments": {"amount": 3}}`, or is something else where that
 * is allowed.
 */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import type { JsonValue } from "../base/json.ts";
import { automatonOf } from "./automaton.ts";
import { choice, type Grammar, optional, repeat, sequence, text } from "./grammar.ts";
import { schemaGrammar } from "./json-schema.ts";
import { answerGrammar, ConstraintSection, type ConstraintSpec, requireSchemaSize, requireSpec } from "./spec.ts";

export type Tool = {
  readonly name: string;
  /** A JSON schema of an object: of the arguments. */
  readonly parameters: JsonValue;
};

export type ToolsSpec = {
  readonly kind: "tools";
  readonly tools: readonly Tool[];
  /** What an answer may be in place of a call: any text, or one of a constraint's; undefined: it is always a call. */
  readonly instead?: "text" | ConstraintSpec | undefined;
};

/** What a request may demand of an answer. */
export type AnswerSpec = ConstraintSpec | ToolsSpec;

export const toolName = /^[A-Za-z0-9_.-]{1,64}$/;
export const toolLimits = { tools: 128 } as const;

const ToolsSection = z.strictObject({
  kind: z.literal("tools"),
  tools: z
    .array(z.strictObject({ name: z.string().regex(toolName), parameters: z.json() }))
    .min(1)
    .max(toolLimits.tools),
  instead: z.union([z.literal("text"), ConstraintSection]).optional(),
});

/** What may be demanded of an answer, as one host says it to another. */
export const AnswerSection = z.discriminatedUnion("kind", [...ConstraintSection.options, ToolsSection]);

/** Checked as what a user gives is. Throws E_FORMAT, E_LIMIT. */
export function requireAnswerSpec(section: z.infer<typeof AnswerSection>, file: string): AnswerSpec {
  if (section.kind !== "tools") return requireSpec(section, file);
  const { tools, instead } = section;
  const other = instead === undefined || instead === "text" ? instead : requireSpec(instead, file);
  try {
    return toolsSpec(tools, other);
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "E_LIMIT") throw error;
    throw new AppError("E_FORMAT", `${file}: constraint: ${error.message}`, { cause: error });
  }
}

/** Throws E_CONFIG for parameters that cannot be kept; E_LIMIT for what is too large. */
export function toolsSpec(tools: readonly Tool[], instead?: ToolsSpec["instead"]): ToolsSpec {
  requireSchemaSize(
    tools.map(({ parameters }) => parameters),
    "tools",
  );
  const spec = { kind: "tools", tools, instead } as const;
  automatonOf(toolsGrammar(spec));
  return spec;
}

/** What a call of a tool begins with; its arguments follow, and one more bracket. */
export const openingOf = (name: string): string => `{"name": ${JSON.stringify(name)}, "arguments": `;

/** The texts that are answers. Any text may not begin as a call does, also behind white space: what begins so is a call. */
export function toolsGrammar({ tools, instead }: ToolsSpec): Grammar {
  const size = { parts: 0 };
  const call = choice(
    ...tools.map(({ name, parameters }) =>
      sequence(
        text(openingOf(name)),
        schemaGrammar(objectSchema(name, parameters), { path: `tools: ${name}: parameters`, size }),
        text("}"),
      ),
    ),
  );
  if (instead === undefined) return call;
  if (instead === "text") return sequence(repeat(space, 0), choice(call, otherText));
  return choice(call, answerGrammar(instead));
}

/** Whether an answer under a constraint may begin as a call of a tool does, so that nobody could tell which of the two it is. */
export function beginsLikeCall(spec: ConstraintSpec, names: readonly string[]): boolean {
  const openings = names.map(openingOf);
  if (spec.kind === "labels") return spec.labels.some((label) => openings.some((opening) => label.startsWith(opening)));
  const { start, step } = automatonOf(answerGrammar(spec));
  return openings.some(
    (opening) =>
      new TextEncoder().encode(opening).reduce((state, byte) => (state < 0 ? state : step(state, byte)), start) >= 0,
  );
}

const rules = ["type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"];

/** Parameters may leave the type away, or say nothing at all. */
function objectSchema(name: string, parameters: JsonValue): JsonValue {
  if (parameters === null || typeof parameters !== "object" || Array.isArray(parameters))
    throw new AppError(
      "E_CONFIG",
      `tools: ${name}: expected parameters as a schema, found ${JSON.stringify(parameters)}`,
    );
  const { type } = parameters;
  if (type !== undefined && type !== "object")
    throw new AppError(
      "E_CONFIG",
      `tools: ${name}: expected parameters of type "object", found ${JSON.stringify(type).slice(0, 60)}`,
    );
  return rules.some((rule) => rule in parameters) ? parameters : { type: "object", ...parameters };
}

const firstWords = '{"name"';
const spaces = "\t\n\r ";
const last = 0x10ffff;

/** One character of Unicode, none of these. */
function other(than: string): Grammar {
  const ranges: [number, number][] = [];
  let from = 0;
  for (const at of [...[...than].map((character) => character.codePointAt(0)!), 0xd800].sort((a, b) => a - b)) {
    if (from < at) ranges.push([from, at - 1]);
    from = at === 0xd800 ? 0xe000 : at + 1;
  }
  return { kind: "character", ranges: [...ranges, [from, last]] };
}

const space: Grammar = {
  kind: "character",
  ranges: [...spaces].map((each) => [each.charCodeAt(0), each.charCodeAt(0)]),
};

/** Texts that do not begin with `firstWords`, and not with white space. */
const otherText: Grammar = [...firstWords].reduceRight<Grammar>((behind, character, i) => {
  const differs = sequence(other(i === 0 ? character + spaces : character), repeat(other(""), 0));
  return optional(i === firstWords.length - 1 ? differs : choice(differs, sequence(text(character), behind)));
}, text(""));
