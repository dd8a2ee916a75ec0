/** @file Ctrl-C twice: the first time work stops at its next safe point, the second time the process ends. */
import { AppError } from "./errors.ts";

/** The part of `process` this needs. */
export interface SignalSource {
  on(event: "SIGINT" | "SIGTERM", listener: (name: NodeJS.Signals) => void): unknown;
  off(event: "SIGINT" | "SIGTERM", listener: (name: NodeJS.Signals) => void): unknown;
  exit(code: number): void;
}

export interface Interrupt {
  /** Aborted by the first SIGINT or SIGTERM: long work looks at `signal.aborted` between its steps. */
  readonly signal: AbortSignal;
  /** Gives the signals their usual meaning back. */
  close(): void;
}

/** Of a process that a signal ended: 128 + the signal's number. */
export const exitStatus = (name: NodeJS.Signals): number => (name === "SIGTERM" ? 143 : 130);

/** npm passes on to its child the signals that the terminal sends to both: the same Ctrl-C arrives twice. */
const sameSignalMs = 1000;

/** Listens until closed; `callback` runs at the first signal, for instance to say that a second one ends at once. */
export function onInterrupt(
  callback: (name: NodeJS.Signals) => void = () => undefined,
  {
    source = process as SignalSource,
    now = () => performance.now(),
  }: { source?: SignalSource; now?: () => number } = {},
): Interrupt {
  const controller = new AbortController();
  let firstAt = 0;
  const listener = (name: NodeJS.Signals) => {
    if (!controller.signal.aborted) {
      firstAt = now();
      controller.abort();
      callback(name);
    } else if (now() - firstAt > sameSignalMs) source.exit(exitStatus(name));
  };
  source.on("SIGINT", listener);
  source.on("SIGTERM", listener);
  return {
    signal: controller.signal,
    close() {
      source.off("SIGINT", listener);
      source.off("SIGTERM", listener);
    },
  };
}

/** Throws E_INTERRUPTED after an abort. What is left of the work, `message` or the caller says. */
export function requireRunning(signal: AbortSignal | undefined, message = "stopped before the end"): void {
  if (signal?.aborted) throw new AppError("E_INTERRUPTED", message);
}
