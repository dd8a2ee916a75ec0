/** @file The tasks of the toy pair: seen ones to train on, unseen ones for evaluation only. */
import type { TaskFamily } from "../../../src/data/task.ts";
import { classificationTasks } from "./classification.ts";
import { withoutTestInputs } from "./make-task.ts";
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
  return withoutTestInputs(tasks, tasks);
}
