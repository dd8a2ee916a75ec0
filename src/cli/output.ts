/** @file How commands speak: one JSON object or text on stdout, errors on stderr. */
import { AppError } from "../base/errors.ts";
import type { CliContext } from "./context.ts";
import { printableJson, printableLine } from "./printable.ts";

export type JsonFlag = { readonly json?: boolean };

/** Prints a result: with `--json` the value as one line, else what `text` returns, unless that is empty. */
export function printResult(context: CliContext, { json = false }: JsonFlag, value: object, text: () => string): void {
  const out = json ? printableJson(value) : text();
  if (out !== "") context.stdout.write(`${out}\n`);
}

/** Tells a person what went wrong, and with `--json` a program too. Returns the exit status. */
export function printError(context: CliContext, { json = false }: JsonFlag, error: unknown): 1 {
  const known = error instanceof AppError;
  const message = shortened(error instanceof Error ? error.message : String(error));
  context.stderr.write(`${known ? `error ${error.code}` : "internal error"}: ${printableLine(message)}\n`);
  if (!known && context.debug && error instanceof Error) context.stderr.write(`${error.stack}\n`);
  if (!known && !context.debug) context.stderr.write("Run again with LORAGEN_DEBUG=1 to see where it comes from.\n");
  if (json) {
    const code = known ? error.code : "E_INTERNAL";
    context.stdout.write(`${printableJson({ error: { code, message } })}\n`);
  }
  return 1;
}

/** A message may quote what a file says: as much of it as a person reads. */
const shortened = (message: string): string =>
  message.length <= MAX_MESSAGE
    ? message
    : `${message.slice(0, MAX_MESSAGE)} … (${message.length - MAX_MESSAGE} characters more)`;
const MAX_MESSAGE = 4096;

/** Warns a person without ending the command. */
export const warnOn =
  ({ stderr }: Pick<CliContext, "stderr">) =>
  (message: string): void =>
    void stderr.write(`warning: ${printableLine(shortened(message))}\n`);
