/** @file Files of tasks: one as a JSON object, or a suite of many as JSON lines. */
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";
import { readJsonFile } from "../base/json-file.ts";
import { readJsonl } from "../files/jsonl.ts";
import { EvalTask } from "./eval-task.ts";

/** Limits for untrusted files. */
export const taskFileLimits = { fileBytes: 64 * 2 ** 20, depth: 8, tasks: 10_000 } as const;

/** Reads one file: JSON lines where its name ends in `.jsonl` or `.jsonl.gz`. Throws E_NOT_FOUND, E_IO, E_LIMIT, or E_FORMAT naming the file and the key. */
export async function readTaskFile(path: string): Promise<EvalTask[]> {
  const { fileBytes, depth, tasks: most } = taskFileLimits;
  if (!/\.jsonl(\.gz)?$/.test(path))
    return [await readJsonFile(path, EvalTask, { maxBytes: fileBytes, maxDepth: depth })];
  const tasks: EvalTask[] = [];
  for await (const value of readJsonl(path, { maxExpandedBytes: 2 ** 30 })) {
    if (tasks.length === most) throw new AppError("E_LIMIT", `${path}: more than ${most} tasks`);
    tasks.push(checkSchema(value, EvalTask, { what: `${path}: task ${tasks.length + 1}` }));
  }
  if (tasks.length === 0) throw new AppError("E_FORMAT", `${path}: expected tasks, found none`);
  return tasks;
}

/** Reads files in the given order. Throws as `readTaskFile`, and E_DATA where two tasks share name and seed. */
export async function readTaskFiles(paths: readonly string[]): Promise<EvalTask[]> {
  const tasks: EvalTask[] = [];
  const pathOf = new Map<string, string>();
  for (const path of paths)
    for (const task of await readTaskFile(path)) {
      const key = taskKey(task);
      const earlier = pathOf.get(key);
      if (earlier !== undefined)
        throw new AppError("E_DATA", `${path}: the task name "${task.name}" is already taken by ${earlier}`);
      pathOf.set(key, path);
      tasks.push(task);
    }
  return tasks;
}

const taskKey = ({ name, seed }: EvalTask): string => JSON.stringify([name, seed ?? null]);
