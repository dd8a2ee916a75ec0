/** @file C15: what is chosen by the test split is refused, by families as pages read them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openModel } from "../../../src/models/model-file.ts";
import { pretendTraining } from "../../../test/support/pretend-training.ts";
import { writeSkillData } from "../../../test/support/skill-data.ts";
import { writeTinyPair } from "../../../test/support/tiny-pair.ts";
import { familyFile, openFamilies } from "../../transformer2/families.ts";
import { plan } from "../../transformer2/trainings.ts";
import { testContext } from "../test-context.ts";
import { chosen } from "./chosen.ts";
import { openPool } from "./pool.ts";
import { searched } from "./search.ts";
import { requireUntested } from "./untested.ts";

const folder = mkdtempSync(join(tmpdir(), "untested-"));
afterAll(() => rmSync(folder, { recursive: true }));
const context = testContext(folder);
const families = join(folder, "work/transformer2/data");

beforeAll(async () => {
  writeSkillData(join(folder, "data"));
  await writeTinyPair(join(folder, "pair"), { context: 1024 });
  const model = await openModel(join(folder, "pair/edge"));
  for (const training of [...plan.skills, ...plan.classifier, ...plan["other adapters"]])
    await pretendTraining(join(folder, "work/transformer2/runs"), training, model);
});

/** Copies a family's test questions into another of its splits, as a mistake might; gives back how that is taken back. */
async function leak(name: "intents" | "arc-challenge", split: "train" | "validation"): Promise<() => void> {
  await openFamilies(join(folder, "data"), families);
  const path = familyFile(families, name);
  const before = readFileSync(path, "utf8");
  const family = JSON.parse(before) as Record<string, unknown>;
  writeFileSync(path, `${JSON.stringify({ ...family, [split]: family["test"] })}\n`);
  return () => writeFileSync(path, before);
}

test("a rate is chosen by validation; where that holds test questions, choosing throws", async () => {
  const training = { task: "intents", adapter: "lora", by: "answers" } as const;
  expect((await chosen(training, context)).validation).toBeTypeOf("number");
  const undo = await leak("intents", "validation");
  await expect(chosen(training, context)).rejects.toMatchObject({
    code: "E_DATA",
    message: expect.stringMatching(/^learning rates of intents: .*test split/) as unknown,
  });
  undo();
});

test("a mixture is searched by examples of train; where these are test questions, searching throws", async () => {
  const pool = await openPool("svf", context);
  const undo = await leak("arc-challenge", "train");
  await expect(searched({ pool, task: "arc-challenge", shots: 3 }, context)).rejects.toMatchObject({
    code: "E_DATA",
    message: expect.stringMatching(/^search for arc-challenge: .*test split/) as unknown,
  });
  undo();
});

test("a question counts as the same whatever its spaces and capitals", () => {
  const family = { name: "one", test: [{ input: "What is it?", target: "a" }] };
  expect(() => requireUntested("choice", [{ input: "what  is it?" }], family)).toThrow("test split of one");
  expect(() => requireUntested("choice", [{ input: "What was it?" }], family)).not.toThrow();
});
