/** @file The steps of an export: told as they begin, and where an interruption stops it. */
import { AppError } from "../base/errors.ts";

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
    if (signal?.aborted) throw new AppError("E_INTERRUPTED", "stopped; nothing was written");
    onStep?.(step);
  };
