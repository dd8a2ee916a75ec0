/** @file The form of a specialisation's answers, in words. */
import type { Content } from "../api.ts";

export function describeConstraint({ constraint }: Pick<Content, "constraint">): string {
  if (constraint === undefined) return "Answers are free text.";
  if (constraint.kind === "labels") return `Answers are one of: ${constraint.labels.join(", ")}.`;
  if (constraint.kind === "calls")
    return `Answers call one of: ${constraint.functions.map(({ name, parameters }) => `${name}(${parameters.join(", ")})`).join("; ")}.`;
  return `Answers are JSON of this schema: ${JSON.stringify(constraint.schema)}`;
}
