/**
 * @file Trains what the pages of Transformer² need, one run after the other:
 *   npx tsx runs/transformer2/train.ts --list
 *   npx tsx runs/transformer2/train.ts [NAME or GROUP …] [--budget hours] [--data ../shared/data] [--pair pairs/smollm2] [--work work/reproduce]
 * Without names it trains all. What is done stays; what was stopped goes on. Pages train what they miss by themselves.
 */
import { trained } from "../reproduce/skills/trained.ts";
import { trainCommand } from "../reproduce/train-command.ts";
import { nameOf, plan, rateOf, stepsOf } from "./trainings.ts";

await trainCommand(
  (budget) =>
    Object.entries(plan).flatMap(([group, trainings]) =>
      trainings.map((training) => {
        const name = nameOf(training);
        const line = `${name.padEnd(34)} ${stepsOf(training, budget)} steps, rate ${rateOf(training)}`;
        return { training, group, name, line };
      }),
    ),
  async (training, context) => {
    const { name, failed } = await trained(training, context);
    return `${name}: ${failed ?? "done"}`;
  },
);
