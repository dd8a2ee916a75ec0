/** @file Asking the tasks of skills: one log for all pages, so that none asks again what another asked. */
import { groupBy } from "../../../src/base/group-by.ts";
import type { EvalTask } from "../../../src/data/eval-task.ts";
import type { LogLine } from "../../../src/eval/log.ts";
import { mean } from "../../../src/eval/statistics.ts";
import { askedTask, bestConstant, subjectIn } from "../../transformer2/draw.ts";
import type { TaskName } from "../../transformer2/tasks.ts";
import { type Accuracy, accuracies, askTasks } from "../ask.ts";
import type { Budget, Context } from "../row.ts";
import { openPlace } from "./place.ts";

/** A way to answer, as a table calls it and as an evaluation does. */
export type Arm = { readonly label: string; readonly method: string };

export const base: Arm = { label: "base model", method: "base" };

/** Questions of a task. */
const items: Readonly<Record<Budget, number>> = { minutes: 8, hours: 200, full: 500 };
export const questionsOf = ({ budget }: Pick<Context, "budget">): number => items[budget];

export type Asked = {
  readonly tasks: readonly TaskName[];
  readonly arms: readonly Arm[];
  readonly split?: "validation" | "test";
  /** In the place of the budget's. */
  readonly items?: number;
  /** Questions that are asked once more, each alone, to be timed. */
  readonly timed?: number;
};

/** All answers, each arm under its label. Throws as `runEval`. */
export async function askSkills(
  { tasks: names, arms, split = "test", items: count, timed }: Asked,
  context: Context,
): Promise<LogLine[]> {
  const { families } = await openPlace(context);
  const size = Math.min(count ?? items[context.budget], split === "test" ? Infinity : 100);
  return askArms(
    names.map((name) => askedTask(families[name], { split, items: size })),
    arms,
    context,
    timed === undefined ? {} : { id: "transformer2-timed", timed },
  );
}

/** The same of any tasks. Timed questions have a log of their own: what was asked before was not timed. */
export async function askArms(
  tasks: readonly EvalTask[],
  arms: readonly Arm[],
  context: Context,
  { id = "transformer2", timed = 0 }: { readonly id?: string; readonly timed?: number } = {},
): Promise<LogLine[]> {
  const { pair } = await openPlace(context);
  const methods = [...new Set(arms.map(({ method }) => method))];
  const lines = await askTasks(tasks, { id, methods, timed, exact: true }, { ...context, pair, methods: [] });
  return arms.flatMap(({ label, method }) =>
    lines.filter((line) => line.method === method).map((line) => ({ ...line, method: label })),
  );
}

/** What each arm scores, with standard errors over messages, passages or pairs of numbers where these are asked twice. */
export const skillAccuracies = (lines: readonly LogLine[]): Accuracy[] => accuracies(lines, subjectIn);

/** What a program that always says the same gets of the questions that were asked, as a row beside the others; none where none was. */
export function constantRow(lines: readonly LogLine[]): Accuracy[] {
  const [first] = groupBy(lines, ({ method }) => method).values();
  if (first === undefined) return [];
  const said = [...groupBy(first, ({ task }) => task).values()].flatMap((own) => {
    const { answer } = bestConstant(own);
    return own.map((line) => rescored(line, Number(line.target === answer)));
  });
  return skillAccuracies(said.map((line) => ({ ...line, method: "best constant answer" })));
}

/** An answer under another score. */
export const rescored = (line: LogLine, score: number): LogLine => ({
  ...line,
  scores: { ...line.scores, [line.scorer]: { score, reason: "" } },
});

/** Share of right answers of an arm on a task, or undefined where it was not asked. */
export function shareOf(lines: readonly LogLine[], label: string, task: string): number | undefined {
  const own = lines.filter((line) => line.method === label && line.task === task);
  return own.length === 0 ? undefined : mean(own.map(({ scores, scorer }) => scores[scorer]!.score));
}
