/** @file The first word of the answer is that of the target: an answer may go on after it has said what counts. */
import { quote, type Scorer, verdict } from "./scorer.ts";

/** "No, they do not." → "no" */
const firstWord = (text: string): string => (/[\p{L}\p{N}]+/u.exec(text)?.[0] ?? "").toLowerCase();

export const firstWordScorer: Scorer = {
  summary: "the first word of the answer is the first one of the target, whatever its case",
  score({ answer, target }) {
    const [said, wanted] = [firstWord(answer), firstWord(target)];
    if (wanted === "") return { score: 0, reason: "the target has no word" };
    return verdict(said === wanted, said === "" ? "no word" : `expected ${quote(wanted)}, found ${quote(said)}`);
  },
};
