/** @file What was written has to give the logits that were wanted. */
import { AppError } from "../base/errors.ts";
import type { LogitGap } from "../decode/compare-logits.ts";

/**
 * Throws E_MISMATCH where logits differ by more than `tolerance` of the largest, or by what is no number.
 * @param whose what the wanted logits belong to
 */
export function requireClose(
  { largestDifference, largestLogit }: Omit<LogitGap, "meanDifference">,
  tolerance: number,
  whose: string,
): void {
  const allowed = tolerance * largestLogit;
  if (Number.isFinite(largestDifference) && largestDifference <= allowed) return;
  throw new AppError(
    "E_MISMATCH",
    `what was written gives other logits than ${whose}: they differ by up to ${largestDifference}, expected at most ${allowed}; nothing was kept`,
  );
}
