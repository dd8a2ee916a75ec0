/**
 * @file The form of answers that a prompt demands, found by rules. Careful: a form that is not found costs a flag, one that is not there spoils
 * every answer.
 */
import { AppError } from "../base/errors.ts";
import { findCalls } from "./find-calls.ts";
import { findLabels } from "./find-labels.ts";
import { findSchema } from "./find-schema.ts";
import type { FoundConstraint } from "./spec.ts";

/** Longest prompt that is searched, in characters. */
const maxPrompt = 2 ** 15;

/** What a prompt demands of the answer's form; undefined where it demands nothing that is certain. */
export function findConstraint(prompt: string): FoundConstraint | undefined {
  if (prompt.length > maxPrompt) return undefined;
  try {
    return findSchema(prompt) ?? findCalls(prompt) ?? findLabels(prompt);
  } catch (error) {
    if (error instanceof AppError) return undefined; // a list or a schema that cannot be kept
    throw error;
  }
}
