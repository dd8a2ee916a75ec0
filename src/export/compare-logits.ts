/** @file How far two models' logits are from each other. */
import { AppError } from "../base/errors.ts";

export type LogitGap = {
  /** NaN or infinite where a logit of either is. */
  readonly largestDifference: number;
  /** Of the wanted. */
  readonly largestLogit: number;
};

/** Compares rows of logits, sequence by sequence. Throws E_SHAPE where they are not as many. */
export function compareLogits(wanted: readonly Float32Array[], found: readonly Float32Array[]): LogitGap {
  let [largestDifference, largestLogit] = [0, 0];
  wanted.forEach((row, i) => {
    const other = found[i]!;
    if (other.length !== row.length)
      throw new AppError("E_SHAPE", `what was written gives ${other.length} logits, expected ${row.length}`);
    for (let j = 0; j < row.length; j++) {
      largestDifference = Math.max(largestDifference, Math.abs(row[j]! - other[j]!)); // NaN once is NaN for good
      largestLogit = Math.max(largestLogit, Math.abs(row[j]!));
    }
  });
  return { largestDifference, largestLogit };
}

/**
 * Throws E_MISMATCH where logits differ by more than `tolerance` of the largest, or by what is no number.
 * @param whose what the wanted logits belong to
 */
export function requireClose({ largestDifference, largestLogit }: LogitGap, tolerance: number, whose: string): void {
  const allowed = tolerance * largestLogit;
  if (Number.isFinite(largestDifference) && largestDifference <= allowed) return;
  throw new AppError(
    "E_MISMATCH",
    `what was written gives other logits than ${whose}: they differ by up to ${largestDifference}, expected at most ${allowed}; nothing was kept`,
  );
}
