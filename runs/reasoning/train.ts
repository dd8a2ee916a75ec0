/**
 * @file Trains what pages share over the paper's seen tasks, one run after the other:
 *   npx tsx runs/reasoning/train.ts --list
 *   npx tsx runs/reasoning/train.ts [NAME or GROUP …] [--budget hours] [--data ../shared/data] [--pair pairs/smollm2] [--work work/reproduce]
 * Without names it trains all. What is done stays; what was stopped goes on. Pages train what they miss by themselves.
 */
import { trainAny } from "../reproduce/seen-tasks.ts";
import { trainCommand } from "../reproduce/train-command.ts";
import { folderOf, planOf, trainings } from "./trainings.ts";

await trainCommand(
  (budget) =>
    planOf(budget).map((training) => {
      const { group, what, steps, rate, seconds } = trainings[training.name];
      const minutes = Math.ceil((steps[budget] * seconds) / 60);
      const line = `${folderOf(training, budget).padEnd(22)} ${what}: rate ${rate}, about ${minutes} min on two quiet processors`;
      return { training, group, name: training.name, line };
    }),
  async (training, context) => {
    await trainAny(training, context);
    return `${folderOf(training, context.budget)}: done`;
  },
);
