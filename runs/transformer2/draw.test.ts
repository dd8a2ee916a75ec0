/** @file What the tasks of skills are drawn of: splits that share nothing, and files of their own for each version. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import type { TaskFamily } from "../../src/data/task.ts";
import { classifierName } from "../../src/dispatch/skill-pool-file.ts";
import { writeSkillData } from "../../test/support/skill-data.ts";
import { drawTask } from "./draw.ts";
import { openFamilies } from "./families.ts";
import { keyOf, SPLITS } from "./tasks/task.ts";
import { SKILLS, tasks } from "./tasks.ts";

const folder = mkdtempSync(join(tmpdir(), "draw-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** How many subjects of questions each two splits share. */
function shared(family: TaskFamily, subjectOf: (question: string) => string): number[] {
  const [train, validation, test] = SPLITS.map((split) => new Set(family[split].map(({ input }) => subjectOf(input))));
  const both = (a: ReadonlySet<string>, b: ReadonlySet<string>) => [...a].filter((one) => b.has(one)).length;
  return [both(train!, validation!), both(train!, test!), both(validation!, test!)];
}

test("two numbers are compared both ways in one split: none is the mirror of a question that was trained on", async () => {
  const family = await drawTask("numbers", folder);
  const pair = (question: string) => (question.match(/\d+/g) ?? []).sort().join(" ");
  expect(shared(family, pair)).toEqual([0, 0, 0]);
  expect([family.train, family.validation, family.test].map(({ length }) => length)).toEqual([3000, 300, 1000]);
});

test("all questions about a passage stand in one split", async () => {
  const rows = (split: string, passages: number) =>
    Array.from({ length: 3 * passages }, (_, i) => ({
      question: `is ${i} odd`,
      passage: `Passage ${i % passages} of ${split}.`,
      answer: i % 2 === 1,
    }));
  mkdirSync(join(folder, "boolq"));
  const write = (split: string, all: readonly object[]) =>
    writeFileSync(join(folder, `boolq/${split}.jsonl.gz`), gzipSync(all.map((row) => JSON.stringify(row)).join("\n")));
  write("train", [...rows("train", 40), ...rows("both", 10)]);
  write("test", [...rows("test", 20), ...rows("both", 10).map((row) => ({ ...row, question: `${row.question} too` }))]);
  const family = await drawTask("reading", folder);
  expect(shared(family, (question) => question.split("\n")[0]!)).toEqual([0, 0, 0]);
  expect(family.validation.length).toBeGreaterThanOrEqual(9);
  expect(family.train.length + family.validation.length).toBe(120);
  expect(family.test).toHaveLength(90);
});

test("a family has a file for each version: one of an older draw is not read, those that are there are not written anew", async () => {
  const out = join(folder, "families");
  writeSkillData(join(folder, "data"));
  const first = await openFamilies(join(folder, "data"), out);
  expect(readdirSync(out).sort()).toContain(`numbers-v${tasks.numbers.version}.jsonl`);
  const path = join(out, "format.jsonl"); // of version 1: its name as it always was
  writeFileSync(path, readFileSync(path, "utf8").replace("test says", "TEST says"));
  rmSync(join(out, "numbers-v2.jsonl"));
  writeFileSync(join(out, "numbers.jsonl"), "an older draw");
  const again = await openFamilies("no data", out);
  expect(again.numbers).toEqual(first.numbers);
  expect(readFileSync(path, "utf8")).toContain("TEST says");
});

test("no question that the classifier is trained on, or validated by, is in the test split of a skill, nor the other way round", async () => {
  const families = await openFamilies(join(folder, "data"), join(folder, "classifier"));
  const classifier = families[classifierName];
  const inputs = (rows: readonly { readonly input: string }[]) => new Set(rows.map(({ input }) => keyOf(input)));
  const both = (a: ReadonlySet<string>, b: ReadonlySet<string>) => [...a].filter((one) => b.has(one)).length;
  expect(classifier.train.length).toBeGreaterThan(50);
  const [learnt, tested] = [inputs([...classifier.train, ...classifier.validation]), inputs(classifier.test)];
  for (const name of SKILLS) {
    const { train, validation, test } = families[name];
    expect([name, both(learnt, inputs(test)), both(tested, inputs([...train, ...validation]))]).toEqual([name, 0, 0]);
    expect(both(learnt, inputs(train)), name).toBeGreaterThan(0); // they are its own splits
  }
});
