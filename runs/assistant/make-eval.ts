/** @file Writes an evaluation task file for every task: `tsx runs/assistant/make-eval.ts OUT [--split validation] …`. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeJsonFile } from "../../src/base/json-file.ts";
import { toTaskFile } from "../../src/data/task-file.ts";
import { loadAssistantTasks } from "./tasks/index.ts";

const USAGE = `Usage: tsx runs/assistant/make-eval.ts OUT [options]
  --data DIR                      the data sets (../shared/data)
  --split test|validation         which inputs (test)
  --samples N                     at most N inputs of each task (100)
  --seed N                        chooses wordings, examples and inputs (1)
  --prompt description|examples   a held-out wording, or five examples and no description (description)
  --choices                       score tasks with few labels by likelihood`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string", default: "../shared/data" },
    split: { type: "string", default: "test" },
    samples: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    prompt: { type: "string", default: "description" },
    choices: { type: "boolean", default: false },
  },
});
const [out] = positionals;
const { split, prompt } = values;
const [samples, seed] = [Number(values.samples), Number(values.seed)];
const isSplit = split === "test" || split === "validation";
const isPrompt = prompt === "description" || prompt === "examples";
if (out === undefined || !isSplit || !isPrompt || !(samples >= 1) || !Number.isInteger(seed) || seed < 0) {
  console.error(USAGE);
  process.exit(1);
}

const counts = { seen: 0, unseen: 0 };
for (const folder of ["seen", "unseen"]) await mkdir(join(out, folder), { recursive: true });
for (const task of await loadAssistantTasks(values.data)) {
  const folder = task.seen ? "seen" : "unseen";
  const file = toTaskFile(task, { split, samples, seed, prompt, withChoices: values.choices });
  await writeJsonFile(join(out, folder, `${task.name}.json`), file);
  counts[folder]++;
}
console.log(`${counts.seen} seen and ${counts.unseen} unseen tasks → ${out}`);
