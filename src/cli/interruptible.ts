/** @file Work that the first Ctrl-C stops at its next safe point, saying so. */
import { onInterrupt } from "../base/interrupt.ts";
import type { CliContext } from "./context.ts";

/** Runs `work` with a signal that the first SIGINT or SIGTERM aborts; the second one ends the process. */
export async function interruptible<T>(
  { stderr }: Pick<CliContext, "stderr">,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const interrupt = onInterrupt(() => stderr.write("\nstopping after this step; Ctrl-C again ends at once\n"));
  try {
    return await work(interrupt.signal);
  } finally {
    interrupt.close();
  }
}
