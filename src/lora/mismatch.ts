/** @file Whether an adapter fits a model: everything that does not, in one error. */
import { AppError } from "../base/errors.ts";

/** Most lines of one error. */
const maxLines = 1000;

/** Throws E_MISMATCH with all that was found, one line each; nothing where nothing was. */
export function refuseMismatches(what: string, found: readonly string[]): void {
  if (found.length === 0) return;
  const lines = found.slice(0, maxLines).map((line) => `  ${line}`);
  if (found.length > maxLines) lines.push(`  and ${found.length - maxLines} more`);
  const count = found.length === 1 ? "1 mismatch" : `${found.length} mismatches`;
  throw new AppError("E_MISMATCH", `${what} does not fit the base model, ${count}:\n${lines.join("\n")}`);
}
