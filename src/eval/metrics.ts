/** @file The paper's summary numbers: AVE and HAR over tasks, and how much a prompt was compressed. */
import { mean } from "./statistics.ts";

/** AVE: the arithmetic mean over tasks. */
export const average = (accuracies: readonly number[]): number => mean(accuracies);

/** HAR: the harmonic mean over all individual tasks, seen and unseen alike; 0 where one of them is 0. */
export function harmonicMean(accuracies: readonly number[]): number {
  return accuracies.length / accuracies.reduce((sum, accuracy) => sum + 1 / accuracy, 0);
}

/** Tokens of the edge model's tokenizer. */
export type TokenCounts = {
  /** Instruction tokens of the full prompt. */
  readonly prompt: number;
  readonly user: number;
  /** Instruction tokens that the edge model still reads: 0 after a specialisation. */
  readonly residual: number;
};

/** (prompt + user) / (residual + user), AMB-22. It says how much shorter the context is, not how much faster a query. */
export const compressionRatio = ({ prompt, user, residual }: TokenCounts): number =>
  (prompt + user) / (residual + user);
