/** @file All scorers by name, and how a question is scored. */
import { AppError } from "../../base/errors.ts";
import type { EvalTask } from "../../data/eval-task.ts";
import type { LogLine } from "../log.ts";
import { choice, choicePerByte, choicePerCharacter, letter } from "./choice.ts";
import { exact } from "./exact.ts";
import { firstNumberScorer } from "./first-number.ts";
import { functionCall, functionName } from "./function-call.ts";
import { jsonEqual } from "./json-equal.ts";
import { normalized } from "./normalized.ts";
import { regex } from "./regex.ts";
import type { Outcome, Scorer } from "./scorer.ts";
import { setOverlap } from "./set-overlap.ts";

export const scorers = {
  exact,
  normalized,
  choice,
  "choice-per-byte": choicePerByte,
  "choice-per-character": choicePerCharacter,
  letter,
  "first-number": firstNumberScorer,
  "json-equal": jsonEqual,
  "function-name": functionName,
  "function-call": functionCall,
  "set-overlap": setOverlap,
  regex,
} as const satisfies Record<string, Scorer>;

/** What scorers, and the record of a question that failed, need. */
type Unscored = Pick<LogLine, "target" | "answer" | "finish" | "choices" | "logLikelihoods" | "error">;

export type ScorerName = keyof typeof scorers;
export const SCORERS = Object.keys(scorers) as ScorerName[];

/** Checks names from outside. Throws E_DATA naming what is known. */
export function parseScorers(names: readonly string[], where: string): ScorerName[] {
  const unknown = names.find((name) => !Object.hasOwn(scorers, name));
  if (unknown !== undefined)
    throw new AppError(
      "E_DATA",
      `${where}: scorer: expected one of ${SCORERS.join(", ")}, found ${JSON.stringify(unknown)}`,
    );
  return names as ScorerName[];
}

/** A task's scorers, the one that counts first. Without a name: by likelihood where answers are chosen, else exact. Throws E_DATA. */
export function scorersOf({ name, scorer, scorers: names, labels, samples }: EvalTask): ScorerName[] {
  const isChosen = labels !== undefined || samples.some(({ choices }) => choices !== undefined);
  const byDefault = isChosen ? ["choice", "choice-per-byte"] : ["exact"];
  return parseScorers(names ?? (scorer === undefined ? byDefault : [scorer]), `task "${name}"`);
}

/** Scores a question by each of the scorers. One that failed scores 0. */
export function scoreLine(line: Unscored, names: readonly ScorerName[]): Pick<LogLine, "scorer" | "scores"> {
  const { answer, error } = line;
  const score = (name: ScorerName): Outcome =>
    answer === null ? { score: 0, reason: error?.message ?? "no answer" } : scorers[name].score({ ...line, answer });
  return { scorer: names[0]!, scores: Object.fromEntries(names.map((name) => [name, { ...score(name) }])) };
}

/** A line of a log scored anew: by the scorers it names, or by others. Scores of scorers that only another program knows stay as they are. */
export function rescored(line: LogLine, names?: readonly ScorerName[]): LogLine {
  if (names !== undefined) return { ...line, ...scoreLine(line, names) };
  const known = Object.keys(line.scores).filter((name): name is ScorerName => Object.hasOwn(scorers, name));
  if (known.length === 0) return line;
  return { ...line, scores: { ...line.scores, ...scoreLine(line, known).scores } };
}
