/** @file Which of the given answers the model finds most likely: by the whole sum, per byte or per character. */
import { type Answer, type Outcome, quote, type Scorer, verdict } from "./scorer.ts";

/** Scores by log-likelihood divided by a choice's length; the first among equals is chosen. */
const byLikelihood = (summary: string, lengthOf: (choice: string) => number): Scorer => ({
  summary,
  score(answer) {
    const chosen = mostLikely(answer, lengthOf);
    if (chosen === undefined) return { score: 0, reason: "no choices were given" };
    return verdict(chosen === answer.target, `chose ${quote(chosen)}`);
  },
});

function mostLikely({ choices, logLikelihoods }: Answer, lengthOf: (choice: string) => number): string | undefined {
  if (choices === undefined || logLikelihoods === undefined) return undefined;
  const scores = logLikelihoods.map((value, i) => value / lengthOf(choices[i]!));
  return choices[scores.indexOf(Math.max(...scores))];
}

export const choice = byLikelihood("the target is the likeliest choice", () => 1);
/** `acc_bytes` of lm-evaluation-harness: it does not favour short answers. Its `acc_norm` is by characters. */
export const choicePerByte = byLikelihood("the target is the likeliest choice per byte", (text) =>
  Buffer.byteLength(text),
);
export const choicePerCharacter = byLikelihood(
  "the target is the likeliest choice per character",
  (text) => [...text].length,
);

/** The answer's first letter is that of the target among the choices: A, B, C, … */
export const letter: Scorer = {
  summary: "the answer's first letter is that of the target among the choices (A, B, …)",
  score({ answer, target, choices = [] }): Outcome {
    const wanted = String.fromCharCode(65 + choices.indexOf(target));
    const said = /^[\s("'[]*([A-Z])(?![A-Za-z])/.exec(answer)?.[1];
    if (!choices.includes(target)) return { score: 0, reason: "no choices were given" };
    return verdict(
      said === wanted,
      said === undefined ? `expected ${wanted}, found no letter` : `expected ${wanted}, found ${said}`,
    );
  },
};
