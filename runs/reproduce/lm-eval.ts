/** @file What lm-evaluation-harness is given to answer the same questions: rows in the form of its own tasks, and what comes back. */
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../../src/base/atomic-file.ts";
import { hellaSwagContext } from "../../src/eval/tasks/hellaswag.ts";
import { drawRows } from "../../src/eval/tasks/suites.ts";
import type { BenchmarkName } from "../../src/eval/tasks/table.ts";

type Row = Readonly<Record<string, unknown>>;

/** Our rows as rows of the data sets that the harness's tasks name. */
const harnessRows = {
  "arc-e": ({ question, choices, label }) => {
    const labels = (choices as string[]).map((_, i) => String.fromCharCode(65 + i));
    return { question, choices: { text: choices, label: labels }, answerKey: labels[label as number] };
  },
  piqa: ({ goal, sol1, sol2, label }) => ({ goal, sol1, sol2, label }),
  winogrande: ({ sentence, option1, option2, answer }) => ({ sentence, option1, option2, answer }),
  boolq: ({ question, passage, answer }) => ({ question, passage, label: answer === true ? 1 : 0 }),
  hellaswag: ({ activity_label, ctx, endings, label }) => {
    const [ctx_a, ctx_b] = hellaSwagContext(ctx as string);
    return { activity_label, ctx_a, ctx_b, endings, label: String(label) };
  },
} as const satisfies { readonly [N in BenchmarkName]?: (row: Row) => Row };

export type HarnessTask = keyof typeof harnessRows;
export const HARNESS_TASKS = Object.keys(harnessRows) as HarnessTask[];
/** Examples in front: none, and five. */
export const HARNESS_SHOTS = [0, 5] as const;

/** Writes `NAME-test.jsonl` and `NAME-shots.jsonl` of each task: the rows that ours asks, and its examples in their order. */
export async function writeHarnessRows(
  folder: string,
  options: { readonly data: string; readonly items: number },
): Promise<void> {
  for (const name of HARNESS_TASKS) {
    const { asked, shown } = await drawRows({ benchmark: name, form: "continuation" }, options);
    const lines = (rows: readonly unknown[]) =>
      `${rows.map((row) => JSON.stringify(harnessRows[name](row as Row))).join("\n")}\n`;
    await writeFileAtomic(join(folder, `${name}-test.jsonl`), lines(asked));
    await writeFileAtomic(join(folder, `${name}-shots.jsonl`), lines(shown(1).slice(0, 5)));
  }
}

/** What the harness answers: of each task and number of shots the log-likelihoods of each item's choices, in the items' order. */
export const HarnessAnswers = z.strictObject({
  version: z.string(),
  answers: z.record(z.string(), z.record(z.string(), z.array(z.array(z.number()).min(2)))),
});
export type HarnessAnswers = z.infer<typeof HarnessAnswers>;

export const harnessAnswersFile = "answers.json";
