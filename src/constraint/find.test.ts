/** @file What prompts demand: found in prompts that close the set of answers, and never in others that have lists too. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import type { JsonValue } from "../base/json.ts";
import { findConstraint } from "./find.ts";

const fixtures = resolve(import.meta.dirname, "../../test/fixtures/closed-sets");
const read = <T>(name: string) => JSON.parse(readFileSync(resolve(fixtures, name), "utf8")) as readonly T[];
const closed = read<{ prompt: string; labels?: readonly string[]; schema?: JsonValue }>("closed.json");
const open = read<string>("open.json");

test("of 100 prompts with lists but without a closed set none is taken for one", () => {
  expect(open).toHaveLength(100);
  expect(open.filter((prompt) => findConstraint(prompt) !== undefined)).toEqual([]);
});

test("in 60 prompts that close the set it is found, whole and in order", () => {
  expect(closed).toHaveLength(60);
  const missed = closed.filter(({ prompt, labels, schema }) => {
    const wanted = labels === undefined ? { kind: "schema", schema } : { kind: "labels", labels };
    return JSON.stringify(findConstraint(prompt)?.spec) !== JSON.stringify(wanted);
  });
  expect(missed.map(({ prompt }) => [prompt, JSON.stringify(findConstraint(prompt)?.spec)])).toEqual([]);
});

test.each([
  "You read reviews. The possible answers are Positive and Negative; give just the label.",
  "Read the review. The labels are Positive and Negative.",
  "Possible answers: Positive; Negative; give nothing else.",
])("what to do with a list is none of its items: %s", (prompt) => {
  expect(findConstraint(prompt)?.spec).toEqual({ kind: "labels", labels: ["Positive", "Negative"] });
});

test.each(["Topics: research and development.", "Labels: terms and conditions; answer briefly."])(
  "one name with an and in it is no list: %s",
  (prompt) => expect(findConstraint(prompt)).toBeUndefined(),
);
