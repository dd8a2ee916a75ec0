/** @file What an answer must be: one of a closed list of labels, or JSON of a schema. Text, so it fits any tokenizer. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import type { JsonValue } from "../base/json.ts";
import { utf8Length } from "../base/utf8.ts";
import { automatonOf } from "./automaton.ts";
import { schemaGrammar } from "./json-schema.ts";

export type ConstraintSpec =
  | { readonly kind: "labels"; readonly labels: readonly string[] }
  | { readonly kind: "schema"; readonly schema: JsonValue };

/** A constraint that a prompt states. */
export type FoundConstraint = {
  readonly spec: ConstraintSpec;
  /** The words of the prompt that say so. */
  readonly because: string;
};

/** Limits for what users and files give: `labelLength` in characters, `labelBytes` in all labels, `schemaBytes` of JSON. */
export const constraintLimits = {
  labels: 10_000,
  labelLength: 1000,
  labelBytes: 2 ** 20,
  schemaBytes: 2 ** 18,
} as const;

/** A constraint as it stands in a file. */
export const ConstraintSection = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("labels"), labels: z.array(z.string()) }),
  z.strictObject({ kind: z.literal("schema"), schema: z.json() }),
]);

/** What a file says, checked as what a user gives is. Throws E_FORMAT, E_LIMIT. */
export function requireSpec(section: z.infer<typeof ConstraintSection>, file: string): ConstraintSpec {
  try {
    if (section.kind === "labels") return labelsSpec(section.labels);
    requireSize(section.schema);
    schemaGrammar(section.schema);
    return section;
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "E_LIMIT") throw error;
    throw new AppError("E_FORMAT", `${file}: constraint: ${error.message}`, { cause: error });
  }
}

/** JSON of a schema. Throws E_CONFIG for what is no schema, cannot be kept, or is satisfied by no text; E_LIMIT for what is too large. */
export function schemaSpec(schema: JsonValue): ConstraintSpec {
  requireSize(schema);
  automatonOf(schemaGrammar(schema));
  return { kind: "schema", schema };
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

/** A JSON schema of the answers. Of labels one of strings: the answers themselves have no quotes. */
export const answerSchema = (spec: ConstraintSpec): JsonValue =>
  spec.kind === "schema" ? spec.schema : { type: "string", enum: [...spec.labels] };

function requireSize(schema: JsonValue): void {
  if (utf8Length(JSON.stringify(schema)) > constraintLimits.schemaBytes)
    throw new AppError("E_LIMIT", `schema: expected at most ${constraintLimits.schemaBytes} bytes`);
}
