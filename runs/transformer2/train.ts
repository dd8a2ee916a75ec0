/**
 * @file Trains what the pages of Transformer² need, one run after the other:
 *   npx tsx runs/transformer2/train.ts --list
 *   npx tsx runs/transformer2/train.ts [NAME or GROUP …] [--budget hours] [--data ../shared/data] [--pair pairs/smollm2] [--work work/reproduce]
 * Without names it trains all. What is done stays; what was stopped goes on. Pages train what they miss by themselves.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { AppError } from "../../src/base/errors.ts";
import { onInterrupt } from "../../src/base/interrupt.ts";
import { runCommand } from "../reproduce/command.ts";
import { parseBudget } from "../reproduce/row.ts";
import { shippedModel, shippedPair } from "../reproduce/shipped-pair.ts";
import { trained } from "../reproduce/skills/trained.ts";
import { nameOf, plan, rateOf, stepsOf, TRAININGS, type Training } from "./trainings.ts";

const root = join(import.meta.dirname, "../..");
function named(name: string): readonly Training[] {
  const groups: Readonly<Record<string, readonly Training[]>> = plan;
  const found = groups[name] ?? TRAININGS.filter((training) => nameOf(training) === name);
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
  const wanted = positionals.length === 0 ? TRAININGS : positionals.flatMap(named);
  if (values.list) {
    for (const [group, trainings] of Object.entries(plan))
      for (const one of trainings)
        console.log(`${group.padEnd(20)} ${nameOf(one).padEnd(34)} ${stepsOf(one, budget)} steps, rate ${rateOf(one)}`);
    return;
  }
  const interrupt = onInterrupt(() => process.stderr.write("\nstopping; the same command goes on from here\n"));
  const { data, pair, work } = values;
  const tell = (text: string): void => void process.stderr.write(`${text}\n`);
  const context = { budget, data, pair, work, model: shippedModel, methods: [], signal: interrupt.signal, tell };
  try {
    for (const training of wanted) {
      const from = performance.now();
      const { name, failed } = await trained(training, context);
      console.log(`${name}: ${failed ?? "done"}, ${Math.round((performance.now() - from) / 1000)} s`);
    }
  } finally {
    interrupt.close();
  }
}

await runCommand(main);
