/**
 * @file Ceilings of ten test tasks: for each a LoRA of its own, trained on training inputs with the task's answers:
 *   npx tsx runs/smollm2/ceilings.ts [BENCHMARK = work/smollm2/benchmark] [OUT = work/smollm2/ceilings]
 * writes OUT/TASK/lora-4-0.002.json for `loragen train --config`. Then `loragen eval --only '^TASK$' --methods lora:OUT/TASK/run-4-0.002`.
 */
import { join } from "node:path";
import { z } from "zod";
import { checkSchema } from "../../src/base/json.ts";
import { createRng } from "../../src/base/rng.ts";
import { readJsonl } from "../../src/files/jsonl.ts";
import { writeOwnLora } from "./own-lora.ts";

/** Named before any of them was trained: the first of each kind of rule, and label sets of each held-out area. */
const tasks = [
  "rule-transform-1",
  "rule-count-1",
  "rule-binary-1",
  "rule-length-1",
  "rule-chain-1",
  "rule-formed-1",
  "rule-branched-1",
  "travel-own",
  "jobs-and-the-office-codes",
  "travel-and-work",
];

const Training = z.object({
  name: z.string(),
  pairs: z.array(z.object({ input: z.string(), target: z.string() })),
});

const [benchmark = "work/smollm2/benchmark", out = "work/smollm2/ceilings"] = process.argv.slice(2);
const path = join(benchmark, "test-training.jsonl");
const training = new Map<string, z.infer<typeof Training>["pairs"]>();
for await (const line of readJsonl(path)) {
  const { name, pairs } = checkSchema(line, Training, { what: path });
  training.set(name, pairs);
}
for (const task of tasks) {
  const pairs = training.get(task);
  if (pairs === undefined) throw new Error(`${path}: expected training inputs of ${task}, found none`);
  const sizes = { batch: 4, steps: 100, rate: 0.002 };
  console.log(await writeOwnLora(join(out, task), pairs, createRng(task), sizes));
}
