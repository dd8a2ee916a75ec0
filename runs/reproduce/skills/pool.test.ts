/** @file Pools of skills and searches over them, of made-up trainings. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openModel } from "../../../src/models/model-file.ts";
import { pretendTraining } from "../../../test/support/pretend-training.ts";
import { writeSkillData } from "../../../test/support/skill-data.ts";
import { writeTinyPair } from "../../../test/support/tiny-pair.ts";
import { nameOf, plan, type Training } from "../../transformer2/trainings.ts";
import { many } from "../pages/rv-19.ts";
import { testContext } from "../test-context.ts";
import { openPool } from "./pool.ts";
import { searched } from "./search.ts";

const folder = mkdtempSync(join(tmpdir(), "skill-pools-"));
afterAll(() => rmSync(folder, { recursive: true }));
const context = testContext(folder);
const runs = join(folder, "work/transformer2/runs");

beforeAll(async () => {
  writeSkillData(join(folder, "data"));
  await writeTinyPair(join(folder, "pair"), { context: 1024 });
  const model = await openModel(join(folder, "pair/edge"));
  for (const training of [...plan.skills, ...plan.classifier, ...plan["other adapters"]])
    await pretendTraining(runs, training, model);
});

/** Says of a training that nothing came of it; gives back how that is taken back. */
function fail(training: Training): () => void {
  const path = join(runs, `${nameOf(training)}-2.failed`);
  writeFileSync(path, "by hand");
  return () => rmSync(path);
}

test("a pool of adapters holds those of the rate that validation says", async () => {
  const first: Training = { task: "intents", adapter: "lora", by: "answers" };
  const undo = fail(first);
  const { skills, missing } = await openPool("lora", context);
  expect(skills.map(({ training }) => nameOf(training))).toContain(nameOf({ ...first, rate: "second" }));
  expect(missing).toEqual([]);
  undo();
});

test("a search is made anew where its pool holds other skills, and what another page opened stays", async () => {
  const undo = fail({ task: "numbers", adapter: "svf", by: "rewards" });
  const pool = await openPool("svf", context);
  const few = await searched({ pool, task: "arc-challenge", shots: 3 }, context);
  undo();
  const whole = await openPool("svf", context);
  const all = await searched({ pool: whole, task: "arc-challenge", shots: 3 }, context);
  expect(few.skills).toEqual(["format", "intents", "reading", "science"]);
  expect(all.skills).toEqual(["format", "intents", "numbers", "reading", "science"]);
  expect(existsSync(join(pool.folder, "classifier.safetensors"))).toBe(true);
  expect(existsSync(join(pool.folder, "numbers.safetensors"))).toBe(false);
});

test("where many skills are mixed, none was trained on the examples that score a mixture, and all are of feed-forward maps", () => {
  expect(many).toHaveLength(16);
  for (const { adapter, by } of many) {
    expect(adapter).toMatch(/^svf(-\d+)?$/);
    expect(by).not.toBe("shots");
  }
});
