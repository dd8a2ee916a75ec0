/** @file Where messages about the work go: passed in, never global. */

/** Lines for a person to read; results and progress go elsewhere. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
}

/** Drops everything. */
export const silentLogger: Logger = { info: () => undefined, warn: () => undefined };

/** One line per message; warnings say so. */
export function streamLogger(stream: { write(text: string): unknown }): Logger {
  return {
    info: (message) => void stream.write(`${message}\n`),
    warn: (message) => void stream.write(`warning: ${message}\n`),
  };
}
