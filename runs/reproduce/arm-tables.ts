/** @file What pages say of an ablation's arms: accuracies run by run, their spread over seeds, paired differences, and what one may choose by. */
import type { LogLine } from "../../src/eval/log.ts";
import { mean } from "../../src/eval/statistics.ts";
import { type Arm, type ArmRun, seenTasks } from "./arms.ts";
import { type Accuracy, accuracies, accuracyTable, differenceTable, noCell, tasksOf } from "./ask.ts";
import { number, table } from "./markdown.ts";
import { spreadTable } from "./spread.ts";

type TaskAccuracy = Accuracy["tasks"][number];
type Split = "test" | "validation";

/** An arm of one seed is marked so, one of several has a row for each. */
const labelOf = ({ name, runs }: Arm, { seed }: ArmRun): string =>
  seed === undefined ? name : runs.length === 1 ? `${name} (one seed)` : `${name} (seed ${seed})`;

const accuracyOf = (name: string, lines: readonly LogLine[]): Accuracy => ({
  method: name,
  tasks: tasksOf(accuracies(lines)),
});

/** A row for each run. */
export const rowsOf = (arms: readonly Arm[], split: Split): (Accuracy & Pick<ArmRun, "end">)[] =>
  arms.flatMap((arm) =>
    arm.runs.map((run) => ({
      ...accuracyOf(labelOf(arm, run), run[split]),
      ...(run.end === undefined ? {} : { end: run.end }),
    })),
  );

/** Accuracies of all runs, then mean and deviation of the arms that have several. */
export function armTables(arms: readonly Arm[], split: Split = "test"): string[] {
  const several = arms.filter(({ runs }) => runs.length > 1);
  return [
    accuracyTable(rowsOf(arms, split)),
    ...(several.length === 0
      ? []
      : [
          "Mean and standard deviation over training seeds, of the arms that have several:",
          spreadTable(
            new Map(several.map(({ name, runs }) => [name, runs.map((run) => accuracyOf(name, run[split]))] as const)),
          ),
        ]),
  ];
}

/**
 * Every arm against one, paired by question and by training seed, of some tasks or all. An arm of one seed is held against the same seed of the
 * other, and the base model, which has none, against all of them. An item that was asked of several seeds is one draw.
 */
export function armDifferences(
  arms: readonly Arm[],
  against: string,
  { split = "test", isOf = () => true }: { split?: Split; isOf?: (task: string) => boolean } = {},
): string[] {
  const seeds = [...new Set(arms.flatMap(({ runs }) => runs.flatMap(({ seed }) => seed ?? [])))];
  const lines = arms.flatMap(({ name, runs }) =>
    runs.flatMap(({ seed: own, ...run }) =>
      (own === undefined ? seeds : [own]).flatMap((seed) =>
        run[split]
          .filter(({ task }) => isOf(task))
          // Generators of an arm are different models, and count as one method.
          .map((line) => ({ ...line, method: name, seed, sha256: { ...line.sha256, model: name } })),
      ),
    ),
  );
  if (lines.length > 0 && !lines.some(({ method }) => method === against))
    return [`Differences are to the row "${against}", which is not there yet.`];
  return differenceTable(lines, against);
}

export const accuracyCell = ({ share, error }: TaskAccuracy): string =>
  `${number(100 * share)} ± ${number(100 * error)}`;

/** Over the run's validation prompts. */
export const lossOf = ({ end }: Pick<ArmRun, "end">): string =>
  end === undefined ? noCell : number(end.validation.answerLoss ?? end.validation.loss, 3);

/** Over the prompts of the last quarter of steps, and how much higher it is over validation prompts. */
const trainingLossOf = ({ end }: Pick<ArmRun, "end">): string => (end === undefined ? noCell : number(end.training, 3));
const gapOf = ({ end }: Pick<ArmRun, "end">): string =>
  end === undefined ? noCell : number((end.validation.answerLoss ?? end.validation.loss) - end.training, 3);

/** What may be chosen by: the rows' accuracies on validation rows, and the loss over the run's validation prompts. */
export function validationTable(arms: readonly Arm[]): string {
  const rows = rowsOf(arms, "validation");
  return table(
    [
      "on validation",
      ...seenTasks.map((task) => `${task} (n ${rows[0]!.tasks.find((one) => one.task === task)!.n})`),
      "loss",
      "training loss",
      "gap",
    ],
    rows.map((row) => [row.method, ...row.tasks.map(accuracyCell), lossOf(row), trainingLossOf(row), gapOf(row)]),
  );
}

export const validationNote =
  "Rows that were not tested, for whoever wants to choose: of the tasks that have examples beside their validation rows, and the mean of −log p over the answers to the run's validation prompts, without the balance loss. Training loss: the same over the prompts of the last quarter of steps; the gap is what validation prompts have more. No row was chosen by any of these. The paper's validation rows of the other three tasks are copies of its test rows.";

const meanOf = (values: readonly TaskAccuracy[]): string => number(100 * mean(values.map(({ share }) => share)));

/** Means over the tasks that are trained on in the paper, and over the others; and how far arms are from one of them on each. */
export function seenAndUnseen(arms: readonly Arm[], against: string): string[] {
  const isSeen = (task: string) => seenTasks.includes(task);
  return [
    `Means over ${seenTasks.join(", ")}, which the paper trains on, and over the other three.`,
    table(
      ["method", "seen there", "unseen there"],
      rowsOf(arms, "test").map(({ method, tasks }) => [
        method,
        meanOf(tasks.filter(({ task }) => isSeen(task))),
        meanOf(tasks.filter(({ task }) => !isSeen(task))),
      ]),
    ),
    "### Seen there",
    ...armDifferences(arms, against, { isOf: isSeen }),
    "### Unseen there",
    ...armDifferences(arms, against, { isOf: (task) => !isSeen(task) }),
  ];
}
