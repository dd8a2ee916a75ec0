/** @file How good a model is on a few labelled examples: what searches are scored by. */
import { AppError } from "../base/errors.ts";
import type { TextLayout } from "../data/text-question.ts";
import { type Asker, createAsker, type Edge, encodeQuery } from "../eval/ask.ts";
import type { Scorer } from "../eval/scorers/scorer.ts";
import { needsCode, runsAnswers, type ScorerName, scorers } from "../eval/scorers/table.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { type Example, encodeTarget } from "../text/prompt.ts";

/** What is asked: labelled examples, how they are answered and scored. */
export type Shots = {
  readonly examples: readonly Example[];
  /** A closed list of answers; without it they are written. */
  readonly labels?: readonly string[] | undefined;
  /** Where labels are chosen in plain text, without the model's own layout. */
  readonly textLayout?: TextLayout | undefined;
  readonly scorer: ScorerName;
  /** The text in front of every input. */
  readonly prompt?: string | undefined;
  /** Longest written answer; without it that of the longest target. */
  readonly maxTokens?: number | undefined;
};

export type ShotScore = {
  /** Mean of the scorer: 0 to 1. */
  readonly accuracy: number;
  /** Mean log-likelihood of the right answers. */
  readonly logLikelihood: number;
};

/**
 * One number to compare by: accuracy, and between equal ones the likelihood of the right answers, which weighs less than half an example.
 * Never more than 1 + 1/(2n).
 */
export const shotReward = ({ accuracy, logLikelihood }: ShotScore, examples: number): number =>
  accuracy + 0.5 / examples / (1 - logLikelihood);

/** Owns sessions: close it. */
export type ShotScorer = AsyncDisposable & { score(signal?: AbortSignal): Promise<ShotScore> };

/**
 * Asks a model the examples each time it is called: its change may have been steered since.
 * @throws E_DATA for a scorer that cannot be used, E_LIMIT for an example beyond the context
 */
export function createShotScorer(
  edge: Edge,
  { examples, labels, textLayout, scorer, prompt, maxTokens }: Shots,
  options: Pick<CompileOptions, "threads" | "device"> = {},
): ShotScorer {
  if (examples.length === 0) throw new AppError("E_DATA", "examples: expected at least one, found none");
  if (runsAnswers(scorer)) throw needsCode(scorer, "search: ");
  const strange = examples.find(({ target }) => labels !== undefined && !labels.includes(target));
  if (strange !== undefined)
    throw new AppError(
      "E_DATA",
      `examples: expected targets among ${labels!.join(", ")}, found ${JSON.stringify(strange.target)}`,
    );
  const queries = examples.map((example) =>
    encodeQuery(edge, example, { choices: labels, context: prompt, textLayout }),
  );
  const longest =
    labels === undefined
      ? Math.max(...examples.map(({ target }) => encodeTarget(edge.tokenizer, edge.layout, target).length))
      : 1; // nothing is written
  const asker: Asker = createAsker(edge, { ...options, reusePrefix: false });
  return {
    async score(signal) {
      let [points, likelihood] = [0, 0];
      for await (const { index, targetLogLikelihood = 0, ...answered } of asker.ask(queries, {
        maxTokens: maxTokens ?? longest,
        signal,
      })) {
        const { finish, answer, logLikelihoods } = answered;
        const { target } = examples[index]!;
        points += (scorers[scorer] as Scorer).score({
          target,
          answer,
          finish,
          ...(labels === undefined ? {} : { choices: [...labels] }),
          ...(logLikelihoods === undefined ? {} : { logLikelihoods: [...logLikelihoods] }),
        }).score;
        likelihood += targetLogLikelihood;
      }
      return { accuracy: points / examples.length, logLikelihood: likelihood / examples.length };
    },
    [Symbol.asyncDispose]: () => asker[Symbol.asyncDispose](),
  };
}
