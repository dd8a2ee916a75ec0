/** @file Choosing among candidates by their scores, on validation data only. */
import { AppError } from "../base/errors.ts";

export type Candidate = {
  readonly name: string;
  /** Where the score was measured. */
  readonly split: "validation" | "test";
  readonly score: number;
};

/** The candidate with the highest score, the first among equals. Throws E_DATA for scores of a test split, and for none at all. */
export function selectBest<C extends Candidate>(candidates: readonly C[]): C {
  const tested = candidates.find(({ split }) => split !== "validation");
  if (tested !== undefined) {
    throw new AppError(
      "E_DATA",
      `selection: "${tested.name}" was scored on the ${tested.split} split; selecting is allowed on validation only`,
    );
  }
  const [first, ...rest] = candidates.filter(({ score }) => !Number.isNaN(score));
  if (first === undefined) throw new AppError("E_DATA", "selection: expected at least one candidate with a score");
  return rest.reduce((best, candidate) => (candidate.score > best.score ? candidate : best), first);
}
