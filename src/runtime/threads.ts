/** @file How many threads an operator has where nobody named a number, by the environment: for all ways in which sessions are opened. */
import { requireThreads } from "./session.ts";

/** `LORAGEN_THREADS`; 0, without it: one per core. Throws E_USAGE where it is no number of threads. */
export function threadsByDefault(): number {
  const said = Number(process.env["LORAGEN_THREADS"] ?? 0);
  requireThreads(said);
  return said;
}
