/** @file The paper's summary numbers: AVE and HAR over tasks. */
import { mean } from "./statistics.ts";

/** AVE: the arithmetic mean over tasks. */
export const average = (accuracies: readonly number[]): number => mean(accuracies);

/** HAR: the harmonic mean over all individual tasks, seen and unseen alike; 0 where one of them is 0. */
export function harmonicMean(accuracies: readonly number[]): number {
  return accuracies.length / accuracies.reduce((sum, accuracy) => sum + 1 / accuracy, 0);
}
