/** @file T17: on the shipped pair the right prompt decides; another task's prompt, or random words, do not do as well. */
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { readJsonFile } from "../../src/base/json-file.ts";
import type { TaskFile } from "../../src/data/task-file.ts";
import { evaluate } from "../../src/eval/run-eval.ts";
import { pairSubject } from "../../src/eval/subject.ts";
import type { EvalReport } from "../../src/eval/summarize.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { promptControlsPath } from "../support/prompt-controls.ts";

describe("T17: over a sample of all seen tasks, the model specialised by the right prompt", () => {
  let report: EvalReport;
  beforeAll(async () => {
    const tasks = await readJsonFile(promptControlsPath, z.custom<TaskFile[]>());
    await using subject = pairSubject(await loadPair(join(import.meta.dirname, "../../pairs/assistant")));
    const methods = ["specialized", "wrong-prompt", "random-prompt"] as const;
    report = await evaluate(subject, tasks, { methods, timedQueries: 0 });
  });

  test.each(["wrong-prompt", "random-prompt"] as const)(
    "beats the one by the %s, by far more than chance",
    (control) => {
      expect(report.mean[control]).toMatchObject({ tasks: 19, n: 76 });
      expect(report.comparisons[`specialized-vs-${control}`]!.low).toBeGreaterThan(0.1);
    },
  );
});
