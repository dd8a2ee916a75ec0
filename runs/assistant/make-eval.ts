/** @file Writes the assistant's tasks as a suite for `loragen eval`: `tsx runs/assistant/make-eval.ts OUT.jsonl [--split validation] …`. */
import { parseArgs } from "node:util";
import { writeFileAtomic } from "../../src/base/atomic-file.ts";
import { familyTask } from "../../src/data/family-task.ts";
import { loadAssistantTasks } from "./tasks/index.ts";

const USAGE = `Usage: tsx runs/assistant/make-eval.ts OUT.jsonl [options]
  --data DIR                      the data sets (../shared/data)
  --split test|validation         which inputs (test)
  --samples N                     at most N inputs of each task (100)
  --seeds A,B,…                   each chooses wordings, examples and inputs (1)
  --prompt description|examples   a held-out wording, or five examples and no description (description)
  --choices                       score tasks with few labels by likelihood`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string", default: "../shared/data" },
    split: { type: "string", default: "test" },
    samples: { type: "string", default: "100" },
    seeds: { type: "string", default: "1" },
    prompt: { type: "string", default: "description" },
    choices: { type: "boolean", default: false },
  },
});
const [out] = positionals;
const { split, prompt } = values;
const samples = Number(values.samples);
const seeds = values.seeds.split(",").map(Number);
const isSplit = split === "test" || split === "validation";
const isPrompt = prompt === "description" || prompt === "examples";
const areSeeds = seeds.every((seed) => Number.isInteger(seed) && seed >= 0);
if (out === undefined || !isSplit || !isPrompt || !(samples >= 1) || !areSeeds) {
  console.error(USAGE);
  process.exit(1);
}

const families = await loadAssistantTasks(values.data);
const tasks = seeds.flatMap((seed) =>
  families.map((task) => familyTask(task, { split, samples, seed, prompt, withChoices: values.choices })),
);
await writeFileAtomic(out, tasks.map((task) => `${JSON.stringify(task)}\n`).join(""));
console.log(`${families.length} tasks, ${seeds.length} seeds → ${out}`);
