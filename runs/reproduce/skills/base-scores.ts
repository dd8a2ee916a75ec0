/** @file What the base model scores on the tasks that the documents report skills of: a small model has no chance at them, so no skill is trained. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openLog } from "../../../src/eval/log-file.ts";
import { runEval } from "../../../src/eval/run-eval.ts";
import { benchmarkTasks, suites } from "../../../src/eval/tasks/suites.ts";
import { accuracies } from "../ask.ts";
import { number, table } from "../markdown.ts";
import type { Budget, Context } from "../row.ts";
import { base } from "./ask.ts";
import { openPlace } from "./place.ts";

const items: Readonly<Record<Budget, number>> = { minutes: 1, hours: 50, full: 50 };
/** Longest answer of a first look; else the task's own. */
const firstLookTokens = 32;
const written = ["gsm8k", "math"] as const;
const programs = ["mbpp", "humaneval"] as const;

/** A row for each task; programs are run where that is allowed, and else named. */
export async function baseScores(context: Context): Promise<string[]> {
  const { data, budget, work, signal, runCode, tell } = context;
  const { pair } = await openPlace(context);
  const names = runCode === undefined ? written : [...written, ...programs];
  const drawn = await benchmarkTasks(
    names.flatMap((name) => suites.get(name)!),
    { data, items: items[budget] },
  );
  const tasks = budget === "minutes" ? drawn.map((task) => ({ ...task, maxTokens: firstLookTokens })) : drawn;
  await mkdir(work, { recursive: true });
  const log = join(work, `transformer2-base-${budget}.jsonl`);
  await runEval({
    pairDirectory: pair,
    taskFiles: [],
    tasks,
    log,
    methods: [base.method],
    timedQueries: 0,
    controls: false,
    ...(signal === undefined ? {} : { signal }),
    runCode,
    onProgress: ({ done, total, task }) => tell(`base scores: ${done} of ${total} questions (${task})`),
  });
  await using answers = await openLog(log);
  const rows = accuracies(answers.lines).flatMap(({ tasks: own }) => own);
  return [
    `The base model alone, its written answers of at most ${budget === "minutes" ? firstLookTokens : "400 to 512"} tokens scored as the tasks say, ± one standard error. Where it is right almost never a reward almost never comes: no skill was trained for these tasks.`,
    table(
      ["task", "n", "base model, %"],
      names.map((name) => {
        const { n, share, error } = rows.find(({ task }) => task === name)!;
        return [name, n, n < 2 ? number(100 * share) : `${number(100 * share)} ± ${number(100 * error)}`];
      }),
    ),
    ...(runCode === undefined
      ? [`${programs.join(" and ")} are not in it: their answers are programs, which run with \`--allow-code PYTHON\`.`]
      : []),
  ];
}
