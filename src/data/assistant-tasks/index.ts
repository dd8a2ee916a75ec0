/** @file The tasks of the default pair: seen ones to train on, unseen ones for evaluation only. */
import type { TaskFamily } from "../task.ts";
import { classificationTasks } from "./classification.ts";
import { inputKey } from "./make-task.ts";
import { boolqTasks, multipleChoiceTasks } from "./questions.ts";
import { rewritingTasks } from "./rewriting.ts";
import { bankingTasks, clincDomainTasks, clincIntentTasks, snipsIntentTasks } from "./routing.ts";
import { restaurantTask, snipsSlotTasks } from "./slots.ts";
import { toolCallTasks } from "./tool-call.ts";

const BUILDERS: readonly ((data: string) => Promise<TaskFamily | TaskFamily[]>)[] = [
  clincIntentTasks,
  clincDomainTasks,
  bankingTasks,
  snipsIntentTasks,
  snipsSlotTasks,
  restaurantTask,
  toolCallTasks,
  rewritingTasks,
  boolqTasks,
  multipleChoiceTasks,
  classificationTasks,
];

/** All tasks from the data folder. No test input of any task is a train or validation input of any. Throws E_DATA. */
export async function loadAssistantTasks(dataDirectory: string): Promise<TaskFamily[]> {
  const tasks: TaskFamily[] = [];
  for (const build of BUILDERS) tasks.push(...[await build(dataDirectory)].flat());
  return withoutTestInputs(tasks);
}

/** Drops train and validation samples whose input is a test input of any of the tasks. */
export function withoutTestInputs(tasks: readonly TaskFamily[], tested: readonly TaskFamily[] = tasks): TaskFamily[] {
  const testInputs = new Set(tested.flatMap(({ test }) => test.map(({ input }) => inputKey(input))));
  const isFree = ({ input }: { input: string }) => !testInputs.has(inputKey(input));
  return tasks.map((task) => ({
    ...task,
    train: task.train.filter(isFree),
    validation: task.validation.filter(isFree),
  }));
}
