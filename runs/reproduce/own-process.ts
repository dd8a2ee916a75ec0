/** @file A task in a process of its own, where memory is measured: a script gets it as JSON and prints what it saw as JSON. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { z } from "zod";
import { requireRunning } from "../../src/base/interrupt.ts";

/**
 * @param script a file of this folder
 * @throws E_INTERRUPTED where Ctrl-C ended it: that is no error of the script
 */
export async function inOwnProcess<T>(
  script: string,
  task: object,
  { seen, id, signal }: { readonly seen: z.ZodType<T>; readonly id: string; readonly signal: AbortSignal | undefined },
): Promise<T> {
  requireRunning(signal, `${id}: interrupted`);
  const args = ["--import", "tsx", join(import.meta.dirname, script), JSON.stringify(task)];
  const run = promisify(execFile)(process.execPath, args, { cwd: join(import.meta.dirname, "../.."), signal });
  const { stdout } = await run.catch((error: unknown) => {
    requireRunning(signal, `${id}: interrupted`);
    throw error;
  });
  return seen.parse(JSON.parse(stdout));
}
