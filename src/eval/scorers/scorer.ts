/** @file The contract of scorers: an answered question in, a number with its reason out. */
import type { LogLine } from "../log.ts";
import type { CodeRun } from "../run-code.ts";

/** What a scorer sees of a question. */
export type Answer = Pick<LogLine, "target" | "finish" | "choices" | "logLikelihoods"> & { readonly answer: string };

export type Outcome = {
  /** 0 to 1. */
  readonly score: number;
  readonly reason: string;
};

export type Scorer = {
  /** One line, for help and docs. */
  readonly summary: string;
  readonly score: (answer: Answer) => Outcome;
};

/** A scorer that runs answers as programs: only where the user allows it. Its target tests answers and is none itself. */
export type RunningScorer = {
  readonly summary: string;
  readonly programOf: (answer: Answer) => string;
  readonly outcomeOf: (run: CodeRun) => Outcome;
};

const right = (reason = "equal"): Outcome => ({ score: 1, reason });
const wrong = (reason: string): Outcome => ({ score: 0, reason });

/** 1 or 0, each with its reason. */
export const verdict = (isRight: boolean, reasonWrong: string, reasonRight?: string): Outcome =>
  isRight ? right(reasonRight) : wrong(reasonWrong);

/** A text in a reason: not the whole of a long one. */
export function quote(text: string): string {
  const most = 60;
  const characters = [...text];
  return JSON.stringify(characters.length > most ? `${characters.slice(0, most).join("")}…` : text);
}
