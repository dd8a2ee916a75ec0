/** @file Whether a probability means what it says: calibration error, accuracy by coverage, and one temperature that mends it. */
import { AppError } from "../base/errors.ts";
import { groupBy } from "../base/group-by.ts";
import { scaleConfidence } from "../decode/confidence.ts";
import { confidenceTemperatures } from "../pair/pair.ts";
import type { LogLine } from "./log.ts";
import { mean } from "./statistics.ts";

/** A question that was answered by the likelihoods of a list. */
export type Choice = {
  /** Log-likelihood of every choice, in nats. */
  readonly logLikelihoods: readonly number[];
  /** Which choice is right. */
  readonly target: number;
};

/** An answer with the probability that was given for it. */
export type Judged = { readonly confidence: number; readonly right: boolean };

export type Calibration = {
  readonly n: number;
  readonly accuracy: number;
  readonly meanConfidence: number;
  /** Expected calibration error, from 0 to 1. */
  readonly error: number;
  /** Accuracy over the share of questions that are answered with the highest confidence. */
  readonly accuracyAt: readonly { readonly coverage: number; readonly accuracy: number }[];
};

/** What tells of a question how sure the model was: every choice's likelihood, or the probability of the label that it wrote. */
type Told = Choice | Judged;

/** Bins of the calibration error, of equal width as in Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3. */
const BINS = 15;
const coverages = [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1];

/** The questions of a log whose answer was written as one of given labels, or chosen by likelihoods with the target among them. */
const toldIn = (lines: readonly LogLine[]): Told[] =>
  lines.flatMap(({ choices, logLikelihoods, target, confidence, scorer, scores }): Told[] => {
    if (confidence !== undefined) return [{ confidence, right: scores[scorer]!.score === 1 }];
    const at = choices?.indexOf(target) ?? -1;
    return at < 0 || logLikelihoods === undefined || !logLikelihoods.every(Number.isFinite)
      ? []
      : [{ logLikelihoods, target: at }];
  });

/** softmax(log-likelihoods ÷ temperature): the probability of each choice, given that one of them is the answer. */
export function probabilities(logLikelihoods: readonly number[], temperature: number): number[] {
  const largest = Math.max(...logLikelihoods);
  const weights = logLikelihoods.map((value) => Math.exp((value - largest) / temperature));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** The likeliest choice, the first among equals, with its probability; or the label written, whose probability is scaled. */
export function judge(told: Told, temperature: number): Judged {
  if ("right" in told) return { right: told.right, confidence: scaleConfidence(told.confidence, temperature) };
  const { logLikelihoods, target } = told;
  const all = probabilities(logLikelihoods, temperature);
  const confidence = Math.max(...all);
  return { confidence, right: all.indexOf(confidence) === target };
}

/** undefined where there is no answer. */
export function calibrationOf(answers: readonly Judged[]): Calibration | undefined {
  if (answers.length === 0) return undefined;
  const bins = new Map<number, Judged[]>();
  for (const answer of answers) {
    const bin = Math.min(BINS - 1, Math.floor(answer.confidence * BINS));
    bins.set(bin, [...(bins.get(bin) ?? []), answer]);
  }
  const gaps = [...bins.values()].map(
    (members) => (members.length / answers.length) * Math.abs(accuracyOf(members) - confidenceOf(members)),
  );
  const bySureness = [...answers].sort((a, b) => b.confidence - a.confidence);
  return {
    n: answers.length,
    accuracy: accuracyOf(answers),
    meanConfidence: confidenceOf(answers),
    error: gaps.reduce((a, b) => a + b, 0),
    accuracyAt: coverages.map((coverage) => ({
      coverage,
      accuracy: accuracyOf(bySureness.slice(0, Math.max(1, Math.round(coverage * bySureness.length)))),
    })),
  };
}

const accuracyOf = (answers: readonly Judged[]): number => mean(answers.map(({ right }) => Number(right)));
const confidenceOf = (answers: readonly Judged[]): number => mean(answers.map(({ confidence }) => confidence));

/** No label's probability is so near 0 or 1 that a single answer decides the fit. */
const surest = 1e-6;

/** Mean of −ln p in nats: p(target), or for a label written how probable it was that it is right, or wrong, as it was. */
export const negativeLogLikelihood = (told: readonly Told[], temperature: number): number =>
  mean(
    told.map((one) => {
      if (!("right" in one)) return -Math.log(probabilities(one.logLikelihoods, temperature)[one.target]!);
      const confidence = scaleConfidence(Math.min(1 - surest, Math.max(surest, one.confidence)), temperature);
      return -Math.log(one.right ? confidence : 1 - confidence);
    }),
  );

/**
 * The temperature under which the targets are likeliest (Guo et al. 2017, §4.2), between 0.05 and 20; undefined without questions. Their
 * order stays, so accuracy does too. In the inverse temperature the loss is convex: a golden-section search finds its minimum.
 */
export function fitTemperature(told: readonly Told[]): number | undefined {
  if (told.length === 0) return undefined;
  const shrink = (Math.sqrt(5) - 1) / 2;
  const loss = (inverse: number): number => negativeLogLikelihood(told, 1 / inverse);
  let [low, high] = [1 / confidenceTemperatures.most, 1 / confidenceTemperatures.least];
  while (high - low > 1e-4) {
    const [left, right] = [high - shrink * (high - low), low + shrink * (high - low)];
    if (loss(left) <= loss(right)) high = right;
    else low = left;
  }
  return 2 / (low + high);
}

/**
 * The temperature for the confidence that a pair's specialised models answer with: fitted on labels that they wrote.
 * @throws E_DATA without such answers, and where they are of several models
 */
export function fitAnswers(lines: readonly LogLine[]): number {
  const written = lines.filter(({ method, confidence }) => method === "specialized" && confidence !== undefined);
  const temperature = fitTemperature(toldIn(written));
  if (temperature === undefined)
    throw new AppError(
      "E_DATA",
      "temperature: expected labels written by `specialized` under a constraint (eval --written --find-constraint), found none",
    );
  const models = new Set(written.map(({ sha256 }) => sha256.model)).size;
  if (models > 1) throw new AppError("E_DATA", `temperature: expected the answers of one pair, found ${models}`);
  return temperature;
}

export type CalibrationReport = {
  /** By method, fitted on other questions; absent where none of them named choices. */
  readonly temperatures: Readonly<Record<string, number>>;
  /** By stratum and method: as the model says it, and at the method's temperature. */
  readonly strata: Readonly<Record<string, Readonly<Record<string, CalibrationPair>>>>;
};
export type CalibrationPair = { readonly plain: Calibration; readonly fitted?: Calibration };

/** Calibration of all that chose a label. Temperatures come from `fitOn`, which should hold none of the same questions. */
export function calibrationReport(lines: readonly LogLine[], fitOn: readonly LogLine[]): CalibrationReport {
  const fitted = [...groupBy(fitOn, ({ method }) => method)].flatMap(([method, members]) => {
    const temperature = fitTemperature(toldIn(members));
    return temperature === undefined ? [] : [[method, temperature] as const];
  });
  const found = Object.fromEntries(fitted);
  const ofMethod = (method: string, members: readonly LogLine[]) => {
    const told = toldIn(members);
    const at = (temperature: number) => calibrationOf(told.map((one) => judge(one, temperature)));
    const plain = at(1);
    if (plain === undefined) return [];
    const temperature = found[method];
    return [[method, temperature === undefined ? { plain } : { plain, fitted: at(temperature)! }] as const];
  };
  const strata = [...groupBy(lines, ({ stratum }) => stratum)].map(([stratum, members]) => {
    const methods = [...groupBy(members, ({ method }) => method)];
    return [stratum, Object.fromEntries(methods.flatMap(([method, own]) => ofMethod(method, own)))] as const;
  });
  return { temperatures: found, strata: Object.fromEntries(strata) };
}
