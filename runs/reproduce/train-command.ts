/**
 * @file The command that trains what pages share: a list of trainings, those named of it one after the other. What is done stays, what was
 * stopped goes on, and one that fails keeps no other from its turn.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { AppError } from "../../src/base/errors.ts";
import { onInterrupt } from "../../src/base/interrupt.ts";
import { inTurn, runCommand } from "./command.ts";
import { type Budget, type Context, parseBudget } from "./row.ts";
import { shippedModel, shippedPair } from "./shipped-pair.ts";

export type Listed<T> = {
  readonly training: T;
  readonly group: string;
  readonly name: string;
  /** Its line of the list, behind its group. */
  readonly line: string;
};

const root = join(import.meta.dirname, "../..");

/**
 * Reads the command line. `train` returns what is said when one is done. Trainings that failed are told, and end the process with 1.
 * Throws E_USAGE for a name that is not listed.
 */
export const trainCommand = <T>(
  planOf: (budget: Budget) => readonly Listed<T>[],
  train: (training: T, context: Context) => Promise<string>,
): Promise<void> =>
  runCommand(async () => {
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
      for (const { group, line } of plan) console.log(`${group.padEnd(20)} ${line}`);
      return;
    }
    const wanted = positionals.length === 0 ? plan : positionals.flatMap((name) => named(name, plan));
    const interrupt = onInterrupt(() => process.stderr.write("\nstopping; the same command goes on from here\n"));
    const { data, pair, work } = values;
    const tell = (text: string): void => void process.stderr.write(`${text}\n`);
    const context = { budget, data, pair, work, model: shippedModel, methods: [], signal: interrupt.signal, tell };
    try {
      await inTurn(wanted, interrupt.signal, {
        nameOf: ({ name }) => name,
        act: async ({ training }) => {
          const from = performance.now();
          console.log(`${await train(training, context)}, ${Math.round((performance.now() - from) / 1000)} s`);
        },
      });
    } finally {
      interrupt.close();
    }
  });

function named<T>(name: string, plan: readonly Listed<T>[]): readonly Listed<T>[] {
  const found = plan.filter((one) => one.name === name || one.group === name);
  if (found.length === 0)
    throw new AppError("E_USAGE", `expected a name or a group of --list, found ${JSON.stringify(name)}`);
  return found;
}
