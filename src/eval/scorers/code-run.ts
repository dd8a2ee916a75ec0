/** @file The answer is a program that passes the target's tests. */
import type { RunningScorer } from "./scorer.ts";

/** Where a target has it, the answer is put; else the target stands behind the answer. */
const place = "{{answer}}";

/** The first fenced block of an answer in Markdown, or all of it. */
const codeOf = (answer: string): string => /^```[^\n]*\n(.*?)^```/ms.exec(answer)?.[1] ?? answer;

export const codeRun: RunningScorer = {
  summary: "the answer, a Python program, passes the target's tests; needs --allow-code",
  programOf: ({ answer, target }) =>
    target.includes(place) ? target.split(place).join(codeOf(answer)) : `${codeOf(answer)}\n${target}\n`,
  outcomeOf: ({ passed, reason }) => ({ score: passed ? 1 : 0, reason }),
};
