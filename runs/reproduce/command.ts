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

/** What `parseArgs` throws for a flag that it does not know. */
const isUsage = (error: unknown): error is Error =>
  error instanceof TypeError && ((error as NodeJS.ErrnoException).code ?? "").startsWith("ERR_PARSE_ARGS_");
