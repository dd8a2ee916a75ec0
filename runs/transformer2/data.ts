/**
 * @file Draws what skills are trained on and asked:
 *   npx tsx runs/transformer2/data.ts [DATA = ../shared/data] [OUT = work/reproduce/transformer2/data]
 * writes a file for each task and one for the classifier, and says what they ask, how large the splits are and what a constant answer gets.
 */
import { parseArgs } from "node:util";
import { runCommand } from "../reproduce/command.ts";
import { bestConstant } from "./draw.ts";
import { openFamilies } from "./families.ts";
import { type TaskName, tasks } from "./tasks.ts";

async function main(): Promise<void> {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [data = "../shared/data", out = "work/reproduce/transformer2/data"] = positionals;
  const families = await openFamilies(data, out);
  for (const name of Object.keys(tasks) as TaskName[]) console.log(`${name}: ${tasks[name].summary}`);
  for (const { name, train, validation, test } of Object.values(families)) {
    const { answer, share } = bestConstant(test);
    const sizes = `${train.length} train, ${validation.length} validation, ${test.length} test`;
    console.log(`${name}: ${sizes}; always ${JSON.stringify(answer)}: ${(100 * share).toFixed(1)} % of test`);
  }
}

await runCommand(main);
