/** @file T17: on the shipped pair the right prompt decides; another task's prompt does not do as well, nor do its own words shuffled. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { readTexts } from "../../runs/smollm2/texts.ts";
import { readJsonFile } from "../../src/base/json-file.ts";
import { EvalTask } from "../../src/data/eval-task.ts";
import type { LogLine } from "../../src/eval/log.ts";
import { summarize } from "../../src/eval/report.ts";
import { evaluate } from "../../src/eval/run-eval.ts";
import { pairSubject } from "../../src/eval/subject.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { promptControlsPath } from "../support/prompt-controls.ts";

const root = join(import.meta.dirname, "../..");
const data = join(root, "../shared/data");
const methods = ["specialized", "far-prompt", "shuffled-prompt"];
const readTasks = () => readJsonFile(promptControlsPath, z.array(EvalTask));
const percent = (share: number) => (100 * share).toFixed(1);

/** Answers of all methods, asked once, in one session: opening the model anew for each prompt would take most of the time. */
let asked: Promise<readonly LogLine[]> | undefined;

async function ask(): Promise<readonly LogLine[]> {
  await using subject = pairSubject(await loadPair(join(root, "pairs/smollm2")), { swap: true });
  return (await evaluate(subject, await readTasks(), { methods, timedQueries: 0 })).lines;
}

async function besides(control: string) {
  asked ??= ask();
  return summarize((await asked).filter(({ method }) => method === "specialized" || method === control)).strata[
    "tasks"
  ]!;
}

// Half an hour: a busy machine has taken as long.
const timeout = 1_800_000;

test("T17: over all trained kinds of rules with a free answer, the right prompt beats one of another task by far more than chance", {
  timeout,
}, async ({ annotate }) => {
  const { methods, promptEffect } = await besides("far-prompt");
  expect(methods["far-prompt"]).toMatchObject({ tasks: 19, n: 38 });
  const { specialized, effect, low, high } = promptEffect!;
  await annotate(`${percent(specialized)} % right, effect ${percent(effect)} [${percent(low)}, ${percent(high)}]`);
  expect(low).toBeGreaterThan(0.1);
});

test("T17: and it beats its own words in random order by more than chance", { timeout }, async ({ annotate }) => {
  const { methods, comparisons } = await besides("shuffled-prompt");
  expect(methods["shuffled-prompt"]).toMatchObject({ tasks: 19, n: 38 });
  const { difference, low, high } = comparisons.find(({ against }) => against === "shuffled-prompt")!;
  await annotate(`difference ${percent(difference)} [${percent(low)}, ${percent(high)}]`);
  expect(low).toBeGreaterThan(0);
});

test.skipIf(!existsSync(data))(
  "their inputs are validation texts, and none is a test's (without ../shared: skipped)",
  async () => {
    const of = async (split: "validation" | "test") =>
      new Set((await readTexts(data, split)).texts.map(({ text }) => text));
    const [validation, tested] = [await of("validation"), await of("test")];
    for (const { samples } of await readTasks())
      for (const { input } of samples) {
        expect(validation).toContain(input);
        expect(tested).not.toContain(input);
      }
  },
);
