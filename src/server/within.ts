/** @file Work that somebody waits for so long and no longer. */
import { AppError } from "../base/errors.ts";

/**
 * @param ms undefined: as long as it takes
 * @param left aborted where nobody waits any more
 * @param late what is told after that time: "why: not all sentences were left out"
 * @param work is called off by its signal in both cases
 * @throws E_DEADLINE; else as `work`
 */
export async function within<T>(
  ms: number | undefined,
  left: AbortSignal,
  late: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (ms === undefined) return work(left);
  const timer = AbortSignal.timeout(ms);
  try {
    return await work(AbortSignal.any([left, timer]));
  } catch (error) {
    if (!timer.aborted || left.aborted) throw error;
    throw new AppError("E_DEADLINE", `${late} in ${ms} ms`, { cause: error });
  }
}
