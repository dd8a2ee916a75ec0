/** @file The answer is the target but for case, punctuation, articles and white space: as SQuAD's evaluation script normalises. */
import { quote, type Scorer, verdict } from "./scorer.ts";

const normalize = (text: string): string =>
  text
    .normalize("NFC")
    .toLowerCase()
    .replace(/[\p{P}\p{S}]/gu, "")
    .replace(/\b(a|an|the)\b/g, " ")
    .replace(/\s+/g, " ")
    .trim();

export const normalized: Scorer = {
  summary: "the same, but for case, punctuation, articles and white space",
  score: ({ answer, target }) =>
    verdict(normalize(answer) === normalize(target), `expected ${quote(normalize(target))}`),
};
