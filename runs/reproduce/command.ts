/** @file How a command of `runs` ends: what its user can mend is told in one line, a fault keeps its stack. */
import { AppError } from "../../src/base/errors.ts";

/** Flags are parsed in `main`, so that a wrong one is told like all else. */
export async function runCommand(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof AppError || isUsage(error))) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

/**
 * Does something of many, one after the other, for hours perhaps: one that fails is told, ends the process with 1, and keeps no other from its
 * turn. Throws the error of the one that was interrupted.
 */
export async function inTurn<T>(
  all: readonly T[],
  signal: AbortSignal,
  { nameOf, act }: { readonly nameOf: (one: T) => string; readonly act: (one: T) => Promise<void> },
): Promise<void> {
  for (const one of all)
    await act(one).catch((error: unknown) => {
      if (signal.aborted) throw error;
      const said = error instanceof AppError ? error.message : error instanceof Error ? error.stack : String(error);
      process.stderr.write(`${nameOf(one)} failed: ${said}\n`);
      process.exitCode = 1;
    });
}

/** What `parseArgs` throws for a flag that it does not know. */
const isUsage = (error: unknown): error is Error =>
  error instanceof TypeError && ((error as NodeJS.ErrnoException).code ?? "").startsWith("ERR_PARSE_ARGS_");
