/** @file On the shipped pair the right prompt decides: another task's prompt, or random words, do not do as well. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadAssistantTasks } from "../../src/data/assistant-tasks/index.ts";
import { toTaskFile } from "../../src/data/task-file.ts";
import { evaluate } from "../../src/eval/run-eval.ts";
import { pairSubject } from "../../src/eval/subject.ts";
import { loadPair } from "../../src/generator/pair.ts";

const root = join(import.meta.dirname, "../..");
const [pair, data] = [join(root, "pairs/assistant"), join(root, "../shared/data")];
const isHere = existsSync(join(pair, "pair.json")) && existsSync(data);

const names = /^(clinc-(banking|home|utility)-(json|call|label)|snips-intent-(json|label)|boolq)$/;

test.skipIf(!isHere)(
  "the right prompt beats another task's and random words, by far more than chance (skipped without ../shared/data)",
  async () => {
    const tasks = (await loadAssistantTasks(data)).filter(({ name }) => names.test(name));
    const files = tasks.map((task) => toTaskFile(task, { split: "validation", samples: 25, seed: 1 }));
    await using subject = pairSubject(await loadPair(pair));
    const methods = ["specialized", "wrong-prompt", "random-prompt"] as const;
    const { comparisons } = await evaluate(subject, files, { methods, timedQueries: 0 });
    for (const control of ["wrong-prompt", "random-prompt"])
      expect(comparisons[`specialized-vs-${control}`]!.low, control).toBeGreaterThan(0.1);
  },
);
