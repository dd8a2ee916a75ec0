/** @file All scorers by name, and how a question is scored. */
import { AppError } from "../../base/errors.ts";
import type { EvalTask } from "../../data/eval-task.ts";
import type { LogLine } from "../log.ts";
import type { RunCode } from "../run-code.ts";
import { choice, choicePerByte, choicePerCharacter, letter } from "./choice.ts";
import { codeRun } from "./code-run.ts";
import { exact } from "./exact.ts";
import { firstNumberScorer } from "./first-number.ts";
import { firstWordScorer } from "./first-word.ts";
import { functionCall, functionName } from "./function-call.ts";
import { gpt4toolsScorers } from "./gpt4tools.ts";
import { jsonEqual } from "./json-equal.ts";
import { lastNumberScorer } from "./last-number.ts";
import { mathAnswer } from "./math-answer.ts";
import { normalized } from "./normalized.ts";
import { regex } from "./regex.ts";
import type { Answer, Outcome, RunningScorer, Scorer } from "./scorer.ts";
import { setOverlap } from "./set-overlap.ts";

export const scorers = {
  exact,
  normalized,
  choice,
  "choice-per-byte": choicePerByte,
  "choice-per-character": choicePerCharacter,
  letter,
  "first-number": firstNumberScorer,
  "first-word": firstWordScorer,
  "last-number": lastNumberScorer,
  "math-answer": mathAnswer,
  "json-equal": jsonEqual,
  "function-name": functionName,
  "function-call": functionCall,
  "set-overlap": setOverlap,
  regex,
  "code-run": codeRun,
  ...gpt4toolsScorers,
} as const satisfies Record<string, Scorer | RunningScorer>;

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

/** Those that score what was chosen among a question's choices, and nothing that was written. */
export const choosingScorers: ReadonlySet<ScorerName> = new Set([
  "choice",
  "choice-per-byte",
  "choice-per-character",
  "letter",
]);

/** Whether it runs answers, which the user has to allow. */
export const runsAnswers = (name: ScorerName): boolean => "programOf" in scorers[name];

/** Scores a question by each of the scorers. One that failed scores 0. Throws E_USAGE for code that may not be run. */
export async function scoreLine(
  line: Unscored,
  names: readonly ScorerName[],
  runCode?: RunCode,
): Promise<Pick<LogLine, "scorer" | "scores">> {
  const scores: Record<string, Outcome> = {};
  for (const name of names) scores[name] = { ...(await scoreBy(name, line, runCode)) };
  return { scorer: names[0]!, scores };
}

async function scoreBy(name: ScorerName, line: Unscored, runCode: RunCode | undefined): Promise<Outcome> {
  if (line.answer === null) return { score: 0, reason: line.error?.message ?? "no answer" };
  const scorer: Scorer | RunningScorer = scorers[name];
  const answer: Answer = { ...line, answer: line.answer };
  if ("score" in scorer) return scorer.score(answer);
  if (runCode === undefined) throw needsCode(name);
  return scorer.outcomeOf(await runCode(scorer.programOf(answer)));
}

/** What is said where answers may not be run. */
export const needsCode = (name: ScorerName, where = ""): AppError =>
  new AppError("E_USAGE", `${where}scorer ${name} runs what a model wrote: expected --allow-code, found it left out`);

/**
 * A line of a log scored anew: by the scorers it names, or by others. Scores of scorers that only another program knows stay as they are, and
 * so do those of programs that may not be run again.
 */
export async function rescored(line: LogLine, names?: readonly ScorerName[], runCode?: RunCode): Promise<LogLine> {
  if (names !== undefined) return { ...line, ...(await scoreLine(line, names, runCode)) };
  const known = Object.keys(line.scores).filter(
    (name): name is ScorerName =>
      Object.hasOwn(scorers, name) && (runCode !== undefined || !runsAnswers(name as ScorerName)),
  );
  if (known.length === 0) return line;
  return { ...line, scores: { ...line.scores, ...(await scoreLine(line, known, runCode)).scores } };
}
