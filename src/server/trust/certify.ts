/** @file Measures a specialisation on inputs: asks all parties, scores their answers, and says how sure that is. */
import { setTimeout as after } from "node:timers/promises";
import { atOnce } from "../../base/at-once.ts";
import { AppError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import { requireRunning } from "../../base/interrupt.ts";
import type { Rng } from "../../base/rng.ts";
import { runsAnswers, type ScorerName, scoreLine } from "../../eval/scorers/table.ts";
import { BOOTSTRAP_RESAMPLES, mean, quantile } from "../../eval/statistics.ts";
import { type Certificate, compared, lowestRung, type Party, type Rung, rungs } from "./certificate.ts";

/** An input, and what is expected of its answer where that is known beforehand. */
export type Measured = { readonly input: string; readonly target?: string | undefined };

export type Told = {
  readonly text: string;
  readonly finish: "stop" | "length";
  readonly inputTokens: number;
  readonly ms: number;
  /** Logits (vocab) of the first token, where there was a choice. */
  readonly first?: Float32Array | undefined;
};

export type CertifyOptions = {
  /** Answers an input. */
  readonly ask: (party: Party, input: string) => Promise<Told>;
  /** Whether the prompt is known, so that the prompted model can be asked. */
  readonly isPrompted: boolean;
  /**
   * What an answer is held against, where the input does not bring it; undefined for an input where nothing can be made of the reference's
   * answer, which is then left out. Without it: the prompted edge model's own answer.
   */
  readonly refer?: ((input: string) => Promise<string | undefined>) | undefined;
  readonly scorer: ScorerName;
  readonly threshold?: number | undefined;
  /** Makes what a rung answers by that was not asked yet. Called from the cheapest on, while none scores the threshold. Returns why it cannot. */
  readonly climb?: ((rung: Rung) => Promise<string | undefined>) | undefined;
  /** Pauses before the cloud model is asked again where it has too much to do, in milliseconds; else `certifyLimits.busyMs`. */
  readonly busyMs?: readonly number[] | undefined;
  readonly rng: Rng;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
};

/** `leastForThreshold`: a verdict needs so many inputs. `resamplesAtOnce`: others are answered between them. `refine…`: inputs to refine gates on. */
export const certifyLimits = {
  inputs: 2000,
  atOnce: 8,
  timed: 5,
  leastForThreshold: 20,
  resamplesAtOnce: 50,
  refineLeast: 4,
  refineMost: 500,
  busyMs: [500, 2000, 8000],
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
  | "threshold"
  | "rung"
  | "notTried"
>;

/** @throws E_USAGE where nothing says what is expected; E_LIMIT for too many inputs; E_INTERRUPTED */
export async function certify(inputs: readonly Measured[], options: CertifyOptions): Promise<Result> {
  const { isPrompted, refer, scorer, threshold, rng, onProgress, signal } = options;
  if (inputs.length < 1 || inputs.length > certifyLimits.inputs)
    throw new AppError("E_LIMIT", `certificate: expected 1…${certifyLimits.inputs} inputs, found ${inputs.length}`);
  if (runsAnswers(scorer))
    throw new AppError("E_USAGE", `certificate: the scorer ${scorer} runs code; expected one that reads answers`);
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
  const times = await timed(inputs, asked, options);
  const draw = await resampled(
    asked.map((party) => rows.map(({ scores }) => scores[party]!)),
    rng,
  );
  const meanOf = (party: Party) => draw((means) => means[asked.indexOf(party)]!);
  const resultOf = (party: Party) => ({
    score: meanOf(party),
    inputTokens: mean(rows.map(({ inputTokens }) => inputTokens[party]!)),
    ms: times[party] ?? null,
  });
  const aheadOf = (party: Party) =>
    draw((means) => means[asked.indexOf("specialized")]! - means[asked.indexOf(party)]!);
  const kls = rows.flatMap(({ kl }) => (kl === undefined ? [] : [kl]));
  const others = asked.filter((party) => party !== "specialized" && party !== "base" && party !== "control");
  const found: Certificate["parties"] = {
    specialized: resultOf("specialized"),
    base: resultOf("base"),
    control: resultOf("control"),
    ...Object.fromEntries(others.map((party) => [party, resultOf(party)])),
  };
  return {
    inputs: rows.length,
    leftOut: inputs.length - rows.length,
    failed: rows.filter(({ isFailed }) => isFailed).length,
    inputsSha256: sha256(JSON.stringify(rows.map(({ input, target }) => [input, target]))),
    scorer,
    parties: found,
    ahead: {
      base: aheadOf("base"),
      control: aheadOf("control"),
      ...(isPrompted ? { prompted: aheadOf("prompted") } : {}),
    },
    ...(kls.length === 0 ? {} : { firstTokenKl: (await resampled([kls], rng))(([kl]) => kl!) }),
    ...(threshold === undefined ? {} : { threshold, rung: lowestRung(found, threshold) }),
    ...(Object.keys(notTried).length === 0 ? {} : { notTried }),
  };
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
        const { score, inputTokens } = answers[i]!;
        row.scores[rung] = score;
        row.inputTokens[rung] = inputTokens ?? 0;
        row.isFailed ||= inputTokens === undefined;
      });
      asked.push(rung);
    }
    if (mean(rows.map(({ scores }) => scores[rung]!)) >= threshold) break;
  }
  return notTried;
}

/** What a rung scores on each row, without tokens where the input did not fit; or why the cloud model did not answer all of them. */
async function answersOf(rung: Rung, rows: readonly Row[], { ask, scorer, busyMs, signal }: CertifyOptions) {
  const found: { readonly score: number; readonly inputTokens: number | undefined }[] = [];
  try {
    await atOnce(rows, certifyLimits.atOnce, async ({ input, target }, at) => {
      requireRunning(signal, "certificate: interrupted");
      const told = await fitting(() => patiently(() => ask(rung, input), rung === "cloud" ? busyMs : [], signal));
      found[at] = { score: await scoreOf(told, target, scorer), inputTokens: told?.inputTokens };
    });
  } catch (error) {
    if (isOfCloud(rung, error)) return error.message;
    throw error;
  }
  return found;
}

/** Asks again after each pause where there is too much to do. */
async function patiently(
  ask: () => Promise<Told>,
  pausesMs: readonly number[] = certifyLimits.busyMs,
  signal?: AbortSignal,
): Promise<Told> {
  for (const ms of pausesMs) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "E_BUSY") throw error;
    }
    await after(ms, undefined, signal && { signal }).catch(() => undefined);
    requireRunning(signal, "certificate: interrupted");
  }
  return ask();
}

/** Of a cloud model on another host, which may refuse a question too: what was measured without it is worth keeping. */
const ofCloud: ReadonlySet<string> = new Set(["E_IO", "E_BUSY", "E_DEADLINE", "E_MISMATCH", "E_FORMAT", "E_USAGE"]);
const isOfCloud = (party: Party, error: unknown): error is AppError =>
  party === "cloud" && error instanceof AppError && ofCloud.has(error.code);

/** What an answer scores; 0 where the input did not fit. */
async function scoreOf(told: Told | undefined, target: string, scorer: ScorerName): Promise<number> {
  if (told === undefined) return 0;
  return (await scoreLine({ target, answer: told.text, finish: told.finish }, [scorer])).scores[scorer]!.score;
}

type Row = {
  readonly input: string;
  readonly target: string;
  readonly scores: Partial<Record<Party, number>>;
  readonly inputTokens: Partial<Record<Party, number>>;
  readonly kl: number | undefined;
  /** It did not fit the model for one of the parties, which scores 0. */
  isFailed: boolean;
};

async function rowOf(
  { input, target: known }: Measured,
  asked: readonly Party[],
  { ask, refer, scorer }: CertifyOptions,
): Promise<Row | undefined> {
  const answers = await Promise.all(
    asked.map(async (party) => [party, await fitting(() => ask(party, input))] as const),
  );
  const told = Object.fromEntries(answers) as Readonly<Partial<Record<Party, Told | undefined>>>;
  const target = known ?? (refer === undefined ? told.prompted?.text : await refer(input));
  if (target === undefined) return undefined;
  const scores = await Promise.all(
    answers.map(async ([party, answer]) => [party, await scoreOf(answer, target, scorer)] as const),
  );
  const { prompted, specialized } = told;
  return {
    input,
    target,
    scores: Object.fromEntries(scores),
    inputTokens: Object.fromEntries(answers.map(([party, answer]) => [party, answer?.inputTokens ?? 0])),
    kl: prompted?.first && specialized?.first ? klOf(prompted.first, specialized.first) : undefined,
    isFailed: answers.some(([, answer]) => answer === undefined),
  };
}

/** undefined where an input is too long for the model. */
export const fitting = <T>(work: () => Promise<T>): Promise<T | undefined> =>
  work().catch((error: unknown) => {
    if (error instanceof AppError && (error.code === "E_LIMIT" || error.code === "E_PROMPT")) return undefined;
    throw error;
  });

/**
 * Draws the inputs again and again, all columns (columns, inputs) together, so that differences are paired. Others get their turn in between.
 * @returns the mean of a statistic of the columns' means, with its 95 % percentile interval
 */
async function resampled(columns: readonly (readonly number[])[], rng: Rng) {
  const { length } = columns[0]!;
  const draws: number[][] = [];
  for (let r = 0; r < BOOTSTRAP_RESAMPLES; r++) {
    const sums = columns.map(() => 0);
    for (let i = 0; i < length; i++) {
      const at = rng.int(length);
      for (let k = 0; k < columns.length; k++) sums[k]! += columns[k]![at]!;
    }
    draws.push(sums.map((sum) => sum / length));
    if (r % certifyLimits.resamplesAtOnce === 0) await new Promise((done) => setImmediate(done));
  }
  return (statistic: (means: readonly number[]) => number) => {
    const sorted = draws.map(statistic).sort((a, b) => a - b);
    return { mean: statistic(columns.map(mean)), low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
  };
}

/** Milliseconds of the first inputs, asked one after the other: the median of each party, none of a cloud model that fails by then. */
async function timed(
  inputs: readonly Measured[],
  asked: readonly Party[],
  { ask, signal }: CertifyOptions,
): Promise<Partial<Record<Party, number>>> {
  const medians: Partial<Record<Party, number>> = {};
  for (const party of asked) {
    const times: number[] = [];
    for (const { input } of inputs.slice(0, certifyLimits.timed)) {
      requireRunning(signal, "certificate: interrupted");
      const answer = await fitting(() => ask(party, input)).catch((error: unknown) => {
        if (isOfCloud(party, error)) return undefined;
        throw error;
      });
      if (answer !== undefined) times.push(answer.ms);
    }
    times.sort((a, b) => a - b);
    if (times.length > 0) medians[party] = quantile(times, 0.5);
  }
  return medians;
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
