/** @file Task families on disk: one JSON object per line, what training reads. */
import { z } from "zod";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";
import { readJsonl } from "../files/jsonl.ts";
import { TASK_KINDS, type TaskFamily } from "./task.ts";

const text = z.string().min(1);
const SampleSchema = z.strictObject({ input: text, target: text, choices: z.array(text).min(2).optional() });

const FamilySchema = z.strictObject({
  name: text,
  kind: z.enum(TASK_KINDS),
  seen: z.boolean(),
  paraphrases: z.strictObject({
    train: z.array(text).min(1),
    validation: z.array(text).min(1),
    test: z.array(text),
  }),
  train: z.array(SampleSchema).min(1),
  validation: z.array(SampleSchema).min(1),
  test: z.array(SampleSchema),
  labels: z.array(text).optional(),
});

/** Reads the families of several files. Throws E_FORMAT naming file and line, E_DATA where two share a name. */
export async function readTaskFamilies(paths: readonly string[]): Promise<TaskFamily[]> {
  const families = new Map<string, TaskFamily>();
  for (const path of paths) {
    let line = 0;
    for await (const value of readJsonl(path, { maxLineBytes: 2 ** 28, maxValues: 2 ** 23 })) {
      line++;
      const family = checkSchema(value, FamilySchema, {
        what: `${path}, line ${line}`,
        code: "E_FORMAT",
      }) as TaskFamily;
      if (families.has(family.name))
        throw new AppError("E_DATA", `${path}, line ${line}: a task named "${family.name}" came before`);
      families.set(family.name, family);
    }
  }
  return [...families.values()];
}

/** Writes families, one per line. */
export async function writeTaskFamilies(path: string, families: Iterable<TaskFamily>): Promise<void> {
  await writeFileAtomic(path, [...families].map((family) => `${JSON.stringify(family)}\n`).join(""));
}
