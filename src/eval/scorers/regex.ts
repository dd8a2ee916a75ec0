/** @file The whole answer matches the target, a regular expression. It runs under a deadline: a task file may hold any pattern. */
import { runInNewContext } from "node:vm";
import { type Scorer, verdict } from "./scorer.ts";

const deadlineMs = 200;

export const regex: Scorer = {
  summary: "the whole answer matches the target, a regular expression",
  score({ answer, target }) {
    try {
      const matches: unknown = runInNewContext(
        "new RegExp('^(?:' + pattern + ')$', 'u').test(text)",
        { pattern: target, text: answer.trim() },
        { timeout: deadlineMs },
      );
      return verdict(matches === true, "no match", "matches");
    } catch (error) {
      return { score: 0, reason: `the pattern failed: ${(error as Error).message}` };
    }
  },
};
