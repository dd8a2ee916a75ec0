/** @file Super-NaturalInstructions (Wang et al., 2022), tasks with open licences, and descriptions of them (Apache-2.0). */
import { join } from "node:path";
import { z } from "zod";
import { readRows } from "./rows.ts";

const Task = z.object({
  task: z.string(),
  split: z.enum(["train", "test"]),
  official_split: z.enum(["train", "test", "excluded"]),
  source: z.array(z.string()),
  categories: z.array(z.string()),
  definition: z.string(),
});
const Row = z.object({ task: z.string(), input: z.string(), output: z.array(z.string()).min(1) });
const Descriptions = z.object({ ni_task: z.string().nullable(), descriptions: z.array(z.string()) });
export type NiTask = z.infer<typeof Task>;
export type NiRow = z.infer<typeof Row>;

/** All tasks, without their rows. */
export const readNiTasks = (data: string): Promise<NiTask[]> =>
  readRows(join(data, "super_ni", "tasks.jsonl.gz"), Task);

/** The rows of every task of one split, by the name of the task. */
export async function readNiRows(data: string, split: "train" | "test"): Promise<Map<string, NiRow[]>> {
  const rows = await readRows(join(data, "super_ni", `${split}.jsonl.gz`), Row);
  const byTask = new Map<string, NiRow[]>();
  for (const row of rows) {
    const list = byTask.get(row.task);
    if (list === undefined) byTask.set(row.task, [row]);
    else list.push(row);
  }
  return byTask;
}

/** Paraphrased descriptions of Super-NI tasks, by the name of the task. */
export async function readNiDescriptions(data: string): Promise<Map<string, string[]>> {
  const rows = await readRows(join(data, "task_descriptions_t2l", "train.jsonl.gz"), Descriptions);
  return new Map(rows.flatMap((row) => (row.ni_task === null ? [] : [[row.ni_task, row.descriptions] as const])));
}
