/** @file Which of several answers a model finds most likely. */

export type Choice = {
  /** Of the whole answer, its end token included: a choice that begins another one is no likelier for being shorter. */
  readonly logLikelihood: number;
  readonly text: string;
};

/** Index of the highest summed log-likelihood, the first among equals. */
export const mostLikely = (choices: readonly Choice[]): number =>
  best(choices.map(({ logLikelihood }) => logLikelihood));

/** The same per byte of text (`acc_norm` of lm-evaluation-harness), which does not favour short answers. */
export const mostLikelyPerByte = (choices: readonly Choice[]): number =>
  best(choices.map(({ logLikelihood, text }) => logLikelihood / Buffer.byteLength(text)));

const best = (scores: readonly number[]): number => scores.indexOf(Math.max(...scores));
