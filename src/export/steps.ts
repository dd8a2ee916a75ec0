/** @file The steps of an export: told as they begin, and where an interruption stops it. */
import { requireRunning } from "../base/interrupt.ts";

export type ExportStep = "merge" | "write" | "verify";

export type StepOptions = {
  readonly signal?: AbortSignal | undefined;
  /** Told what begins. */
  readonly onStep?: (step: ExportStep) => void;
};

/** What is called as a step begins. It throws E_INTERRUPTED where the signal has been given. */
export const createSteps =
  ({ signal, onStep }: StepOptions) =>
  (step: ExportStep): void => {
    requireRunning(signal);
    onStep?.(step);
  };
