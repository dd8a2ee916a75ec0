/** @file Evaluation task files, read and checked. What writes them, and their type, is `data/task-file.ts`. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { readJsonFile } from "../base/json-file.ts";
import type { TaskFile } from "../data/task-file.ts";

export type { TaskFile };
export type TaskSample = TaskFile["samples"][number];

/** Limits for untrusted files. */
export const taskFileLimits = {
  fileBytes: 64 * 2 ** 20,
  nameChars: 100,
  textChars: 2 ** 20,
  examples: 100,
  samples: 100_000,
  choices: 1000,
} as const;

const text = z
  .string()
  .max(taskFileLimits.textChars)
  .refine((value) => value.trim() !== "", "expected text, found none");
const pair = { input: text, target: text };

const Sample = z
  .strictObject({ ...pair, choices: z.exactOptional(z.array(text).min(2).max(taskFileLimits.choices)) })
  .superRefine(({ target, choices }, context) => {
    if (choices === undefined) return;
    if (!choices.includes(target))
      context.addIssue({ code: "custom", path: ["target"], message: "not among the choices" });
    if (new Set(choices).size < choices.length)
      context.addIssue({ code: "custom", path: ["choices"], message: "expected different choices, found one twice" });
  });

const TaskFileSchema: z.ZodType<TaskFile> = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(taskFileLimits.nameChars)
    .regex(/^\P{C}+$/u, "expected printable characters"),
  systemPrompt: text,
  examples: z.array(z.strictObject(pair)).max(taskFileLimits.examples).default([]),
  samples: z.array(Sample).min(1).max(taskFileLimits.samples),
});

/** Reads one task file. Throws E_NOT_FOUND, E_IO, E_LIMIT, or E_FORMAT naming the file and the key. */
export function readTaskFile(path: string): Promise<TaskFile> {
  return readJsonFile(path, TaskFileSchema, { maxBytes: taskFileLimits.fileBytes, maxDepth: 6 });
}

/** Reads task files in the given order. Throws as `readTaskFile`, and E_DATA where two share a name. */
export async function readTaskFiles(paths: readonly string[]): Promise<TaskFile[]> {
  const tasks: TaskFile[] = [];
  const pathOf = new Map<string, string>();
  for (const path of paths) {
    const task = await readTaskFile(path);
    const earlier = pathOf.get(task.name);
    if (earlier !== undefined)
      throw new AppError("E_DATA", `${path}: the task name "${task.name}" is already taken by ${earlier}`);
    pathOf.set(task.name, path);
    tasks.push(task);
  }
  return tasks;
}
