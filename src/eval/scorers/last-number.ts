/** @file The number that an answer ends with is that of the target: how GSM8K is scored. */
import { type Scorer, verdict } from "./scorer.ts";

const numberPattern = /[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?/g;

/** The number behind the last `####`, else the last one: "…so #### 1,250" → 1250. */
function lastNumber(text: string): number | undefined {
  const marked = text.split("####");
  const [behind] = marked.length > 1 ? (marked.at(-1)!.match(numberPattern) ?? []) : [];
  const found = behind ?? text.match(numberPattern)?.at(-1);
  return found === undefined ? undefined : Number(found.replaceAll(",", "").replace("−", "-"));
}

export const lastNumberScorer: Scorer = {
  summary: "the answer's number behind ####, or its last one, equals the target's (GSM8K)",
  score({ answer, target }) {
    const [said, wanted] = [lastNumber(answer), lastNumber(target)];
    if (wanted === undefined) return { score: 0, reason: "the target has no number" };
    return verdict(said === wanted, said === undefined ? "no number" : `expected ${wanted}, found ${said}`);
  },
};
