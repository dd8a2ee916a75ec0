/**
 * @file A benchmark whose lists of up to three labels are asked for by codes, as the training data of `train-coded.jsonl` has them:
 *   npx tsx runs/smollm2/with-codes.ts BENCHMARK OUT
 * The sibling's prompt is told the codes of the task's own labels: every method answers under them. Longer lists stay as they are.
 */
import { writeFileAtomic } from "../../src/base/atomic-file.ts";
import type { EvalTask } from "../../src/data/eval-task.ts";
import { readTaskFile } from "../../src/data/task-file.ts";
import { labelCodes } from "./label-codes.ts";

/** The task in codes, examples too; as it is where its list is longer, or it has none. */
export function inCodes(task: EvalTask): EvalTask {
  const { labels, systemPrompt, siblingPrompt } = task;
  const coded = labels === undefined ? undefined : labelCodes(systemPrompt, labels);
  if (coded === undefined) return task;
  const codeOf = new Map(labels!.map((label, i) => [label, coded.codes[i]!]));
  const answered = <T extends { readonly target: string }>(pair: T): T => ({
    ...pair,
    target: codeOf.get(pair.target)!,
  });
  const told = coded.prompt.slice(systemPrompt.length);
  return {
    ...task,
    systemPrompt: coded.prompt,
    ...(siblingPrompt === undefined ? {} : { siblingPrompt: siblingPrompt + told }),
    labels: [...coded.codes],
    examples: task.examples.map(answered),
    samples: task.samples.map(answered),
  };
}

if (process.argv[1] === import.meta.filename) {
  const [benchmark, out] = process.argv.slice(2);
  if (benchmark === undefined || out === undefined) throw new Error("expected the benchmark's file and where to write");
  const tasks = (await readTaskFile(benchmark)).map(inCodes);
  await writeFileAtomic(out, tasks.map((task) => `${JSON.stringify(task)}\n`).join(""));
  console.log(`${out}: ${tasks.length} tasks`);
}
