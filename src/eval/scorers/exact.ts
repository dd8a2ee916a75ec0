/** @file The answer, without white space around it, is the target; an answer that was cut off is not. */
import { quote, type Scorer, verdict } from "./scorer.ts";

export const exact: Scorer = {
  summary: "the answer is the target, white space around both left out",
  score({ answer, target, finish }) {
    if (finish === "length") return verdict(false, "did not end");
    return verdict(answer.trim() === target.trim(), `expected ${quote(target.trim())}`);
  },
};
