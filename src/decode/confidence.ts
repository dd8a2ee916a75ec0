/** @file What a probability means: one temperature for the confidence of answers. */
import { AppError } from "../base/errors.ts";

/**
 * σ(logit(p) ÷ temperature): temperature scaling (Guo et al. 2017, §4.2) of two cases, that an answer is right and that it is not.
 * A temperature above 1 makes it less sure. 0 and 1 stay what they are, and so does the order of answers.
 * @param probability from 0 to 1
 */
export function scaleConfidence(probability: number, temperature: number): number {
  if (temperature === 1) return probability;
  const odds = (probability / (1 - probability)) ** (1 / temperature);
  return odds === Infinity ? 1 : odds / (1 + odds);
}

/** Throws E_USAGE for what is no temperature. */
export function requireTemperature(temperature: number, what: string): void {
  if (!(temperature > 0 && temperature < Infinity))
    throw new AppError("E_USAGE", `${what}: expected a number above 0, found ${temperature}`);
}
