/**
 * @file Rules of the benchmark with their labels written A, B, C in prompts and answers, in the order in which the prompt names them:
 *   npx tsx runs/smollm2/coded-labels.ts BENCHMARK OUT
 * Whether a rule is learnt then no longer hangs on which two words it happens to answer with.
 */
import { writeFileAtomic } from "../../src/base/atomic-file.ts";
import type { EvalTask } from "../../src/data/eval-task.ts";
import { readTaskFile } from "../../src/data/task-file.ts";

const codes = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** What all labels have around them: `[` and `]`, or `Result: `. */
function frameOf(labels: readonly string[]): { readonly before: string; readonly behind: string } {
  const before = /^(?:[^\p{L}\p{N}]+|[\p{L}\p{N}]+: )?/u.exec(labels[0]!)![0];
  const behind = /[^\p{L}\p{N}]*$/u.exec(labels[0]!)![0];
  const isOfAll = labels.every((label) => label.startsWith(before) && label.endsWith(behind));
  return isOfAll ? { before, behind } : { before: "", behind: "" };
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The task with coded labels; undefined where it has no closed list, or its prompt does not name each label as a word of its own. */
export function coded(task: EvalTask): EvalTask | undefined {
  const { labels, systemPrompt, siblingPrompt: _sibling, ...rest } = task;
  if (labels === undefined || labels.length > codes.length) return undefined;
  const { before, behind } = frameOf(labels);
  const named = labels.map((label) => {
    const name = label.slice(before.length, label.length - behind.length);
    const word = new RegExp(`(?<![\\p{L}\\p{N}])${escaped(name)}(?![\\p{L}\\p{N}])`, "gu");
    return { label, word, place: systemPrompt.search(word) };
  });
  if (named.some(({ place }) => place < 0)) return undefined;
  const inOrder = [...named].sort((a, b) => a.place - b.place);
  const codeOf = new Map(inOrder.map(({ label }, i) => [label, `${before}${codes[i]}${behind}`]));
  return {
    ...rest,
    examples: [],
    labels: labels.map((label) => codeOf.get(label)!),
    systemPrompt: inOrder.reduce((text, { word }, i) => text.replace(word, codes[i]!), systemPrompt),
    samples: task.samples.map((sample) => ({ ...sample, target: codeOf.get(sample.target)! })),
  };
}

if (process.argv[1] === import.meta.filename) {
  const [benchmark, out] = process.argv.slice(2);
  if (benchmark === undefined || out === undefined) throw new Error("expected the benchmark's file and where to write");
  const tasks = (await readTaskFile(benchmark))
    .filter(({ stratum }) => stratum === "rules")
    .flatMap((task) => coded(task) ?? []);
  await writeFileAtomic(out, tasks.map((task) => `${JSON.stringify(task)}\n`).join(""));
  console.log(`${out}: ${tasks.map(({ name }) => name).join(", ")}`);
}
