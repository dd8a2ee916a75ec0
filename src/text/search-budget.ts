/** @file What searching one text may cost: patterns and tokens come from files, and some make every character expensive. */
import { AppError } from "../base/errors.ts";

/** Steps for any text, and for each of its characters; published tokenizers take some ten a character. A step takes some 20 ns. */
export const searchLimits = { steps: 2 ** 24, perCharacter: 128 } as const;

export type Budget = {
  /** Throws E_LIMIT where the text has cost too much. */
  spend(steps: number): void;
};

export function createBudget(text: string, what: string): Budget {
  let left = searchLimits.steps + searchLimits.perCharacter * text.length;
  return {
    spend(steps) {
      left -= steps;
      if (left < 0)
        throw new AppError(
          "E_LIMIT",
          `${what}: a text of ${text.length} characters takes too many steps to be searched`,
        );
    },
  };
}
