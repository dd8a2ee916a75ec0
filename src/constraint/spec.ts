/** @file What an answer must be: one of a closed list of labels, JSON of a schema, or a call of a function. Text, so it fits any tokenizer. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { type JsonValue, jsonLimits } from "../base/json.ts";
import { utf8Length } from "../base/utf8.ts";
import { automatonOf } from "./automaton.ts";
import { callsGrammar, type FunctionSignature, requireSignatures } from "./calls.ts";
import { choice, type Grammar, text } from "./grammar.ts";
import { schemaGrammar } from "./json-schema.ts";

export type ConstraintSpec =
  | { readonly kind: "labels"; readonly labels: readonly string[] }
  | { readonly kind: "schema"; readonly schema: JsonValue }
  | { readonly kind: "calls"; readonly functions: readonly FunctionSignature[] };

/** A constraint that a prompt states. */
export type FoundConstraint = {
  readonly spec: ConstraintSpec;
  /** The words of the prompt that say so. */
  readonly because: string;
};

/**
 * Limits for what users and files give: `labelLength` in characters, `labelBytes` in all labels, `schemaBytes` of JSON, `schemaDepth` how deep
 * it nests. A file holds it two levels down, and is read no deeper than `jsonLimits` say.
 */
export const constraintLimits = {
  labels: 10_000,
  labelLength: 1000,
  labelBytes: 2 ** 20,
  schemaBytes: 2 ** 18,
  schemaDepth: jsonLimits.maxDepth - 2,
} as const;

/** A constraint as it stands in a file. */
export const ConstraintSection = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("labels"), labels: z.array(z.string()) }),
  z.strictObject({ kind: z.literal("schema"), schema: z.json() }),
  z.strictObject({
    kind: z.literal("calls"),
    functions: z.array(z.strictObject({ name: z.string(), parameters: z.array(z.string()) })),
  }),
]);

/** What a file says, checked as what a user gives is. Throws E_FORMAT, E_LIMIT. */
export function requireSpec(section: z.infer<typeof ConstraintSection>, file: string): ConstraintSpec {
  try {
    if (section.kind === "labels") return labelsSpec(section.labels);
    if (section.kind === "calls") return callsSpec(section.functions);
    return schemaSpec(section.schema);
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "E_LIMIT") throw error;
    throw new AppError("E_FORMAT", `${file}: constraint: ${error.message}`, { cause: error });
  }
}

/** JSON of a schema. Throws E_CONFIG for what is no schema, cannot be kept, or is satisfied by no text; E_LIMIT for what is too large. */
export function schemaSpec(schema: JsonValue): ConstraintSpec {
  requireSchemaSize(schema);
  automatonOf(schemaGrammar(schema));
  return { kind: "schema", schema };
}

/** A call of one of these functions. Throws E_USAGE for names that are none or stand twice, E_LIMIT for too many. */
export function callsSpec(functions: readonly FunctionSignature[]): ConstraintSpec {
  requireSignatures(functions);
  automatonOf(callsGrammar(functions));
  return { kind: "calls", functions };
}

/**
 * A closed list of labels, each without white space around it.
 * @throws E_USAGE for no labels, an empty one, one twice, one with control characters; E_LIMIT for too many or too long ones
 */
export function labelsSpec(given: readonly string[]): ConstraintSpec {
  const labels = given.map((label) => label.trim());
  const limits = constraintLimits;
  const refuse = (found: string) => {
    throw new AppError("E_USAGE", `labels: expected different, printable texts, found ${found}`);
  };
  if (labels.length === 0) refuse("none");
  if (labels.length > limits.labels)
    throw new AppError("E_LIMIT", `labels: expected at most ${limits.labels}, found ${labels.length}`);
  const seen = new Set<string>();
  let bytes = 0;
  for (const [i, label] of labels.entries()) {
    if (label === "") refuse(`an empty one (number ${i + 1})`);
    if (label.length > limits.labelLength)
      throw new AppError(
        "E_LIMIT",
        `label ${i + 1}: expected at most ${limits.labelLength} characters, found ${label.length}`,
      );
    if (/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(label)) refuse(`control characters in ${JSON.stringify(label)}`);
    if (seen.has(label)) refuse(`${JSON.stringify(label)} twice`);
    seen.add(label);
    bytes += utf8Length(label);
  }
  if (bytes > limits.labelBytes)
    throw new AppError("E_LIMIT", `labels: expected at most ${limits.labelBytes} bytes, found ${bytes}`);
  return { kind: "labels", labels };
}

type Forms<Result> = { readonly [K in ConstraintSpec["kind"]]: (spec: Extract<ConstraintSpec, { kind: K }>) => Result };

const schemas: Forms<JsonValue> = {
  schema: ({ schema }) => schema,
  labels: ({ labels }) => ({ type: "string", enum: [...labels] }),
  calls: ({ functions }) => ({ type: "string", pattern: `^(?:${functions.map(callPattern).join("|")})$` }),
};

const grammars: Forms<Grammar> = {
  schema: ({ schema }) => schemaGrammar(schema),
  labels: ({ labels }) => choice(...labels.map(text)),
  calls: ({ functions }) => callsGrammar(functions),
};

/** A JSON schema of the answers. Of labels and calls one of strings: the answers themselves have no quotes. */
export const answerSchema = (spec: ConstraintSpec): JsonValue => schemas[spec.kind](spec as never);

/** The texts that are answers. */
export const answerGrammar = (spec: ConstraintSpec): Grammar => grammars[spec.kind](spec as never);

const escapedName = (name: string): string => name.replace(/[$.]/g, "\\$&");

/** An escape of JSON that stands for one character, not for half of one. */
const escapePattern = String.raw`\\(?:["\\/bfnrt]|u(?:[0-9a-ce-fA-CE-F][0-9a-fA-F]|[dD][0-7])[0-9a-fA-F]{2})`;

/** As an expression of JSON schemas, what `callsGrammar` says. */
function callPattern({ name, parameters }: FunctionSignature): string {
  const one = `(?:${parameters.map(escapedName).join("|")})="(?:[^"\\\\\\x00-\\x1f]|${escapePattern})*"`;
  const given = parameters.length === 0 ? "" : `(?:${one}(?:, ${one}){0,${parameters.length - 1}})?`;
  return `${escapedName(name)}\\(${given}\\)`;
}

/** Throws E_LIMIT for what nests too deep or is too long. */
export function requireSchemaSize(schema: JsonValue, what = "schema"): void {
  if (isDeeper(schema, constraintLimits.schemaDepth))
    throw new AppError("E_LIMIT", `${what}: nested deeper than ${constraintLimits.schemaDepth} levels of JSON`);
  if (utf8Length(JSON.stringify(schema)) > constraintLimits.schemaBytes)
    throw new AppError("E_LIMIT", `${what}: expected at most ${constraintLimits.schemaBytes} bytes`);
}

/** Looks no further down than that, so no depth overflows the stack. */
const isDeeper = (value: JsonValue, levels: number): boolean =>
  value !== null &&
  typeof value === "object" &&
  (levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1)));
