/** @file How many threads an operator has where nobody named a number, by the environment: for all ways in which sessions are opened. */
import { AppError } from "../base/errors.ts";
import { maxThreads } from "./session.ts";

/** `LORAGEN_THREADS`; 0, without it: one per core. Throws E_USAGE where it is no number of threads. */
export function threadsByDefault(): number {
  const said = process.env["LORAGEN_THREADS"] ?? "0";
  const threads = Number(said);
  if (!Number.isInteger(threads) || threads < 0 || threads > maxThreads)
    throw new AppError(
      "E_USAGE",
      `LORAGEN_THREADS: expected a whole number from 0 to ${maxThreads}, found ${JSON.stringify(said)}`,
    );
  return threads;
}
