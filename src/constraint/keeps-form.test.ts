import { expect, test } from "vitest";
import { keepsForm } from "./keeps-form.ts";
import { callsSpec, labelsSpec, schemaSpec } from "./spec.ts";

const labels = labelsSpec(["billing", "delivery"]);
const schema = schemaSpec({
  type: "object",
  properties: { who: { type: "string" }, age: { type: "integer" } },
  required: ["who"],
  additionalProperties: false,
});
const calls = callsSpec([{ name: "play", parameters: ["song"] }]);

test.each([
  [labels, " billing\n", true],
  [labels, "Billing", false],
  [labels, "billing, I think", false],
  [labels, "", false],
  [schema, '{"who": "Ann", "age": 3}', true],
  [schema, '{\n  "who":"Zoë"\n}', true],
  [schema, '{"age": 3, "who": "Ann"}', false],
  [schema, '{"who": "Ann", "city": "Bonn"}', false],
  [schema, '```json\n{"who": "Ann"}\n```', false],
  [schema, "Ann", false],
  [calls, 'play(song="Help")', true],
  [calls, "play(song=Help)", false],
  [calls, 'play(song="Help"', false],
])("%j is kept by %j: %s", (spec, answer, isKept) => {
  expect(keepsForm(spec)(answer)).toBe(isKept);
});
