/** @file Learning rates over time. */

export type Schedule = {
  readonly kind: "cosine" | "constant" | "linear";
  readonly peak: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
  /** The rate at the end, as a share of the peak. */
  readonly finalShare: number;
};

const shapes: Readonly<Record<Schedule["kind"], (progress: number) => number>> = {
  constant: () => 1,
  linear: (progress) => 1 - progress,
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)),
};

/** The learning rate of step t (from 1): a linear rise over the warm-up, then the schedule's shape down to `finalShare`. */
export function learningRate(step: number, { kind, peak, warmupSteps, totalSteps, finalShare }: Schedule): number {
  if (step <= warmupSteps) return (peak * step) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  return peak * (finalShare + (1 - finalShare) * shapes[kind](progress));
}
