/** @file Measures a specialisation on inputs: asks all parties, scores their answers, and says how sure that is. */
import { atOnce } from "../../base/at-once.ts";
import { AppError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import { requireRunning } from "../../base/interrupt.ts";
import type { Rng } from "../../base/rng.ts";
import { runsAnswers, type ScorerName, scoreLine } from "../../eval/scorers/table.ts";
import { mean } from "../../eval/statistics.ts";
import { type Ask, fitting, isOfCloud, patient, spread, type Told } from "./asking.ts";
import { type Certificate, compared, lowestRung, type Party, type Rung, rungs, savingRungs } from "./certificate.ts";
import { type Mean, meanOf, resampled, scoreMean, shareOf } from "./intervals.ts";
import { askInTurn, medianMs, savedMs, type Times } from "./timing.ts";

/** An input, and what is expected of its answer where that is known beforehand. */
export type Measured = { readonly input: string; readonly target?: string | undefined };

export type CertifyOptions = {
  /** Answers an input. */
  readonly ask: Ask;
  /** Where answers are held to a form: answers without it, and whether such an answer has the form all the same. */
  readonly free?: { readonly ask: Ask; readonly keeps: (answer: string) => boolean } | undefined;
  /** Whether the prompt is known, so that the prompted model can be asked. */
  readonly isPrompted: boolean;
  /**
   * What an answer is held against, where the input does not bring it; undefined for an input where nothing can be made of the reference's
   * answer, which is then left out. Without it: the prompted edge model's own answer.
   */
  readonly refer?: ((input: string) => Promise<string | undefined>) | undefined;
  readonly scorer: ScorerName;
  /** Whether an answer that did not end is wrong, whatever the scorer makes of its beginning. */
  readonly mustEnd?: boolean;
  readonly threshold?: number | undefined;
  /** Makes what a rung answers by that was not asked yet. Called from the cheapest on, while none scores the threshold. Returns why it cannot. */
  readonly climb?: ((rung: Rung) => Promise<string | undefined>) | undefined;
  /** Pauses before one that has too much to do is asked again, in milliseconds; else as `patient`. */
  readonly busyMs?: readonly number[] | undefined;
  readonly rng: Rng;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
};

/**
 * `timed`: inputs asked once more, each party alone. `free`: inputs asked without the constraint. `leastForThreshold`: a verdict needs so many
 * inputs. `refine…`: inputs to refine gates on.
 */
export const certifyLimits = {
  inputs: 2000,
  atOnce: 8,
  timed: 20,
  free: 50,
  leastForThreshold: 20,
  refineLeast: 4,
  refineMost: 500,
} as const;

type Result = Pick<
  Certificate,
  | "inputs"
  | "leftOut"
  | "failed"
  | "inputsSha256"
  | "scorer"
  | "parties"
  | "ahead"
  | "firstTokenKl"
  | "saved"
  | "timedInputs"
  | "freeInputs"
  | "threshold"
  | "rung"
  | "sure"
  | "notTried"
>;

/** @throws E_USAGE where nothing says what is expected; E_LIMIT for too many inputs; E_INTERRUPTED */
export async function certify(inputs: readonly Measured[], given: CertifyOptions): Promise<Result> {
  const free = given.free && { ...given.free, ask: patient(given.free.ask, given) };
  const options = { ...given, ask: patient(given.ask, given), free };
  const { isPrompted, refer, scorer, threshold, rng, onProgress, signal } = options;
  if (inputs.length < 1 || inputs.length > certifyLimits.inputs)
    throw new AppError("E_LIMIT", `certificate: expected 1…${certifyLimits.inputs} inputs, found ${inputs.length}`);
  requireReading(scorer);
  if (refer === undefined && !isPrompted && inputs.some(({ target }) => target === undefined))
    throw new AppError(
      "E_USAGE",
      "certificate: expected examples with their answers, a reference model, or the prompt; found inputs alone",
    );
  if (threshold !== undefined) requireVerdict(inputs.length);
  const asked: Party[] = compared.filter((party) => party !== "prompted" || isPrompted);
  const all: (Row | undefined)[] = [];
  let done = 0;
  await atOnce(inputs, certifyLimits.atOnce, async (measured, at) => {
    requireRunning(signal, "certificate: interrupted");
    all[at] = await rowOf(measured, asked, options);
    onProgress?.(++done, inputs.length);
  });
  const rows = all.filter((row) => row !== undefined);
  if (rows.length === 0)
    throw new AppError("E_DATA", "certificate: nothing could be made of any answer of the reference model");
  const notTried = threshold === undefined ? {} : await climbed(rows, asked, threshold, options);
  const shares = await freeShares(rows, asked, options);
  const times = await askInTurn(spread(rows, certifyLimits.timed), asked, options);
  const scoresOf = (party: Party) => rows.map(({ answers }) => answers[party]!.score);
  const draw = await resampled(asked.map(scoresOf), rng);
  const aheadOf = (party: Party) =>
    draw((means) => means[asked.indexOf("specialized")]! - means[asked.indexOf(party)]!);
  const kls = rows.flatMap(({ kl }) => (kl === undefined ? [] : [kl]));
  const results: [Party, Certificate["parties"]["base"]][] = [];
  for (const party of asked) {
    const read = rows.flatMap(({ answers }) => answers[party]!.inputTokens ?? []);
    const freely = shares[party];
    results.push([
      party,
      {
        score: await scoreMean(scoresOf(party), rng),
        inputTokens: read.length === 0 ? 0 : mean(read),
        ms: medianMs(times, party),
        kept: {
          ended: shareOf(rows.map(({ answers }) => answers[party]!.isEnded)),
          ...(freely === undefined ? {} : { free: freely }),
        },
      },
    ]);
  }
  const found = Object.fromEntries(results) as Certificate["parties"];
  return {
    inputs: rows.length,
    leftOut: inputs.length - rows.length,
    failed: rows.filter(({ answers }) => Object.values(answers).some(({ inputTokens }) => inputTokens === undefined))
      .length,
    inputsSha256: sha256(JSON.stringify(rows.map(({ input, target }) => [input, target]))),
    scorer,
    parties: found,
    ahead: {
      base: aheadOf("base"),
      control: aheadOf("control"),
      ...(isPrompted ? { prompted: aheadOf("prompted") } : {}),
    },
    ...(kls.length === 0 ? {} : { firstTokenKl: await meanOf(kls, rng) }),
    ...(isPrompted ? { saved: await savedBy(rows, asked, times, rng) } : {}),
    timedInputs: times.length,
    ...(free === undefined ? {} : { freeInputs: spread(rows, certifyLimits.free).length }),
    ...(threshold === undefined
      ? {}
      : { threshold, rung: lowestRung(found, threshold), sure: surely(found, threshold) }),
    ...(Object.keys(notTried).length === 0 ? {} : { notTried }),
  };
}

/** Throws E_USAGE for a scorer that runs what was answered. */
export function requireReading(scorer: ScorerName): void {
  if (runsAnswers(scorer))
    throw new AppError("E_USAGE", `certificate: the scorer ${scorer} runs code; expected one that reads answers`);
}

/** Throws E_USAGE where so many inputs are too few for a verdict. */
export function requireVerdict(inputs: number, beside = ""): void {
  if (inputs < certifyLimits.leastForThreshold)
    throw new AppError(
      "E_USAGE",
      `threshold: expected at least ${certifyLimits.leastForThreshold} inputs for a verdict${beside}, found ${inputs}`,
    );
}

/** Asks rung after rung until one scores the threshold; those asked are added to `asked`. Returns why others could not be. */
async function climbed(
  rows: readonly Row[],
  asked: Party[],
  threshold: number,
  options: CertifyOptions,
): Promise<Partial<Record<Rung, string>>> {
  const { climb } = options;
  const notTried: Partial<Record<Rung, string>> = {};
  for (const rung of rungs) {
    if (!asked.includes(rung)) {
      if (climb === undefined) continue;
      const why = await climb(rung);
      if (why !== undefined) {
        notTried[rung] = why;
        continue;
      }
      const answers = await answersOf(rung, rows, options);
      if (typeof answers === "string") {
        notTried[rung] = answers;
        continue;
      }
      rows.forEach((row, i) => {
        row.answers[rung] = answers[i]!;
      });
      asked.push(rung);
    }
    if (mean(rows.map(({ answers }) => answers[rung]!.score)) >= threshold) break;
  }
  return notTried;
}

/** How a rung answers each row; or why the cloud model did not answer all of them. */
async function answersOf(rung: Rung, rows: readonly Row[], { ask, scorer, mustEnd = false, signal }: CertifyOptions) {
  const found: Scored[] = [];
  try {
    await atOnce(rows, certifyLimits.atOnce, async ({ input, target }, at) => {
      requireRunning(signal, "certificate: interrupted");
      const told = await fitting(() => ask(rung, input));
      found[at] = await scored(told, target, { scorer, mustEnd });
    });
  } catch (error) {
    if (isOfCloud(rung, error)) return error.message;
    throw error;
  }
  return found;
}

/** An answer of a party, which scores 0 without tokens where the input did not fit. */
type Scored = { readonly score: number; readonly inputTokens: number | undefined; readonly isEnded: boolean };

async function scored(
  told: Told | undefined,
  target: string,
  { scorer, mustEnd = false }: Pick<CertifyOptions, "scorer" | "mustEnd">,
): Promise<Scored> {
  if (told === undefined) return { score: 0, inputTokens: undefined, isEnded: false };
  const { text: answer, finish, inputTokens } = told;
  if (mustEnd && finish === "length") return { score: 0, inputTokens, isEnded: false };
  const { scores } = await scoreLine({ target, answer, finish }, [scorer]);
  return { score: scores[scorer]!.score, inputTokens, isEnded: finish === "stop" };
}

type Row = {
  readonly input: string;
  readonly target: string;
  readonly answers: Partial<Record<Party, Scored>>;
  readonly kl: number | undefined;
};

async function rowOf(
  { input, target: known }: Measured,
  asked: readonly Party[],
  { ask, refer, scorer, mustEnd = false }: CertifyOptions,
): Promise<Row | undefined> {
  const answers = await Promise.all(
    asked.map(async (party) => [party, await fitting(() => ask(party, input))] as const),
  );
  const told = Object.fromEntries(answers) as Readonly<Partial<Record<Party, Told | undefined>>>;
  const target = known ?? (refer === undefined ? told.prompted?.text : await refer(input));
  if (target === undefined) return undefined;
  const found = await Promise.all(
    answers.map(async ([party, answer]) => [party, await scored(answer, target, { scorer, mustEnd })] as const),
  );
  const { prompted, specialized } = told;
  return {
    input,
    target,
    answers: Object.fromEntries(found),
    kl: prompted?.first && specialized?.first ? klOf(prompted.first, specialized.first) : undefined,
  };
}

/** Whether the lower end of each rung's interval reaches the threshold too. */
const surely = (found: Certificate["parties"], threshold: number): Partial<Record<Rung, boolean>> =>
  Object.fromEntries(
    rungs.flatMap((rung) => {
      const low = found[rung]?.score.low;
      return low === undefined ? [] : [[rung, low >= threshold] as const];
    }),
  );

/** Of some of the inputs asked without the constraint: the share of each party's answers that have its form all the same. */
async function freeShares(
  rows: readonly Row[],
  asked: readonly Party[],
  { free, signal }: CertifyOptions,
): Promise<Partial<Record<Party, Mean>>> {
  if (free === undefined) return {};
  const shares: Partial<Record<Party, Mean>> = {};
  for (const party of asked) {
    const kept: boolean[] = [];
    try {
      await atOnce(spread(rows, certifyLimits.free), certifyLimits.atOnce, async ({ input }, at) => {
        requireRunning(signal, "certificate: interrupted");
        const told = await fitting(() => free.ask(party, input));
        kept[at] = told?.finish === "stop" && free.keeps(told.text);
      });
    } catch (error) {
      if (isOfCloud(party, error)) continue;
      throw error;
    }
    shares[party] = shareOf(kept);
  }
  return shares;
}

/** What rungs by gates save beside the prompted model, paired by input. */
async function savedBy(
  rows: readonly Row[],
  asked: readonly Party[],
  times: readonly Times[],
  rng: Rng,
): Promise<NonNullable<Certificate["saved"]>> {
  const saved: NonNullable<Certificate["saved"]> = {};
  for (const rung of savingRungs) {
    if (!asked.includes(rung)) continue;
    const tokens = rows.flatMap(({ answers }) => {
      const [read, own] = [answers.prompted?.inputTokens, answers[rung]?.inputTokens];
      return read === undefined || own === undefined ? [] : [read - own];
    });
    const ms = savedMs(times, rung);
    if (tokens.length === 0) continue;
    saved[rung] = {
      inputTokens: await meanOf(tokens, rng),
      ms: ms.length === 0 ? null : await meanOf(ms, rng),
    };
  }
  return saved;
}

/** Σ p (ln p − ln q) of the softmaxes of logits, in nats. */
export function klOf(p: Float32Array, q: Float32Array): number {
  const [logP, logQ] = [logSoftmax(p), logSoftmax(q)];
  let sum = 0;
  for (let i = 0; i < logP.length; i++) sum += Math.exp(logP[i]!) * (logP[i]! - logQ[i]!);
  return Math.max(0, sum);
}

function logSoftmax(logits: Float32Array): Float64Array {
  let largest = -Infinity;
  for (const value of logits) largest = Math.max(largest, value);
  let total = 0;
  for (const value of logits) total += Math.exp(value - largest);
  const shift = largest + Math.log(total);
  return Float64Array.from(logits, (value) => value - shift);
}
