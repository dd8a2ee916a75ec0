/** @file T17: on the shipped pair the right prompt decides; another task's prompt does not do as well. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { readTexts } from "../../runs/smollm2/texts.ts";
import { readJsonFile } from "../../src/base/json-file.ts";
import { EvalTask } from "../../src/data/eval-task.ts";
import { summarize } from "../../src/eval/report.ts";
import { evaluate } from "../../src/eval/run-eval.ts";
import { pairSubject } from "../../src/eval/subject.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { promptControlsPath } from "../support/prompt-controls.ts";

const root = join(import.meta.dirname, "../..");
const data = join(root, "../shared/data");
const readTasks = () => readJsonFile(promptControlsPath, z.array(EvalTask));

test("T17: over all trained kinds of rules with a free answer, the right prompt beats one of another task by far more than chance", async ({
  annotate,
}) => {
  await using subject = pairSubject(await loadPair(join(root, "pairs/smollm2")));
  const { lines } = await evaluate(subject, await readTasks(), {
    methods: ["specialized", "far-prompt"],
    timedQueries: 0,
  });
  const { methods, promptEffect } = summarize(lines).strata["tasks"]!;
  expect(methods["far-prompt"]).toMatchObject({ tasks: 19, n: 38 });
  const percent = (share: number) => (100 * share).toFixed(1);
  const { specialized, effect, low, high } = promptEffect!;
  await annotate(`${percent(specialized)} % right, effect ${percent(effect)} [${percent(low)}, ${percent(high)}]`);
  expect(low).toBeGreaterThan(0.1);
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
