/** @file The first number of the answer is that of the target. */
import { type Scorer, verdict } from "./scorer.ts";

const numberPattern = /[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?/;

/** "about 1,250.0 euros" → 1250 */
function firstNumber(text: string): number | undefined {
  const found = numberPattern.exec(text)?.[0];
  return found === undefined ? undefined : Number(found.replaceAll(",", "").replace("−", "-"));
}

export const firstNumberScorer: Scorer = {
  summary: "the first number in the answer equals the first one in the target",
  score({ answer, target }) {
    const [said, wanted] = [firstNumber(answer), firstNumber(target)];
    if (wanted === undefined) return { score: 0, reason: "the target has no number" };
    return verdict(said === wanted, said === undefined ? "no number" : `expected ${wanted}, found ${said}`);
  },
};
