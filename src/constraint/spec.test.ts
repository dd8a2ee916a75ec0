import { expect, test } from "vitest";
import type { JsonValue } from "../base/json.ts";
import { findConstraint } from "./find.ts";
import { constraintLimits, schemaSpec } from "./spec.ts";

const lists = (levels: number): JsonValue => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`) as JsonValue;

test.each(["enum", "default"])("a schema whose %s nests deeper than files may is refused", (key) => {
  const schema = (levels: number): JsonValue => ({ enum: [1], [key]: lists(levels - 1) });
  expect(schemaSpec(schema(constraintLimits.schemaDepth)).kind).toBe("schema");
  for (const levels of [constraintLimits.schemaDepth + 1, 6000])
    expect(() => schemaSpec(schema(levels))).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
});

test("JSON that nests too deep is no schema that a prompt quotes", () => {
  const prompt = `{"properties":{"a":${"[".repeat(12_000)}${"]".repeat(12_000)}}} Answer with JSON that fits the schema.`;
  expect(findConstraint(prompt)).toBeUndefined();
});
