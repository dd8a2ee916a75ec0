/** @file T17: on the shipped pair the right prompt decides; another task's prompt does not do as well. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { readJsonFile } from "../../src/base/json-file.ts";
import { EvalTask } from "../../src/data/eval-task.ts";
import { summarize } from "../../src/eval/report.ts";
import { evaluate } from "../../src/eval/run-eval.ts";
import { pairSubject } from "../../src/eval/subject.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { promptControlsPath } from "../support/prompt-controls.ts";

test("T17: over a sample of all seen tasks, the right prompt beats one of another task by far more than chance", async () => {
  const tasks = await readJsonFile(promptControlsPath, z.array(EvalTask));
  await using subject = pairSubject(await loadPair(join(import.meta.dirname, "../../pairs/assistant")));
  const { lines } = await evaluate(subject, tasks, { methods: ["specialized", "far-prompt"], timedQueries: 0 });
  const { methods, promptEffect } = summarize(lines).strata["tasks"]!;
  expect(methods["far-prompt"]).toMatchObject({ tasks: 19, n: 76 });
  expect(promptEffect!.low).toBeGreaterThan(0.1);
});
