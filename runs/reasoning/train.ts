/**
 * @file Trains what pages share over the paper's seen tasks, one run after the other:
 *   npx tsx runs/reasoning/train.ts --list
 *   npx tsx runs/reasoning/train.ts [NAME or GROUP …] [--budget hours] [--data ../shared/data] [--pair pairs/smollm2] [--work work/reproduce]
 * Without names it trains all. What is done stays; what was stopped goes on. Pages train what they miss by themselves.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { AppError } from "../../src/base/errors.ts";
import { onInterrupt } from "../../src/base/interrupt.ts";
import { runCommand } from "../reproduce/command.ts";
import { parseBudget } from "../reproduce/row.ts";
import { trainAny } from "../reproduce/seen-tasks.ts";
import { shippedModel, shippedPair } from "../reproduce/shipped-pair.ts";
import { folderOf, planOf, type Training, trainings } from "./trainings.ts";

const root = join(import.meta.dirname, "../..");

function named(name: string, plan: readonly Training[]): readonly Training[] {
  const found = plan.filter((training) => training.name === name || trainings[training.name].group === name);
  if (found.length === 0)
    throw new AppError("E_USAGE", `expected a name or a group of --list, found ${JSON.stringify(name)}`);
  return found;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      list: { type: "boolean", default: false },
      budget: { type: "string", default: "hours" },
      data: { type: "string", default: join(root, "../shared/data") },
      pair: { type: "string", default: shippedPair },
      work: { type: "string", default: join(root, "work/reproduce") },
    },
  });
  const budget = parseBudget(values.budget);
  const plan = planOf(budget);
  if (values.list) {
    for (const training of plan) {
      const { group, what, steps, rate, seconds } = trainings[training.name];
      const minutes = Math.ceil((steps[budget] * seconds) / 60);
      console.log(
        `${group}  ${folderOf(training, budget).padEnd(22)} ${what}: rate ${rate}, about ${minutes} min on two quiet processors`,
      );
    }
    return;
  }
  const wanted = positionals.length === 0 ? plan : positionals.flatMap((name) => named(name, plan));
  const interrupt = onInterrupt(() => process.stderr.write("\nstopping; the same command goes on from here\n"));
  const { data, pair, work } = values;
  const tell = (text: string): void => void process.stderr.write(`${text}\n`);
  const context = { budget, data, pair, work, model: shippedModel, methods: [], signal: interrupt.signal, tell };
  try {
    for (const training of wanted) {
      const from = performance.now();
      await trainAny(training, context);
      console.log(`${folderOf(training, budget)}: done, ${Math.round((performance.now() - from) / 1000)} s`);
    }
  } finally {
    interrupt.close();
  }
}

await runCommand(main);
