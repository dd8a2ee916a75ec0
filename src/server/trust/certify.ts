/** @file Measures a specialisation on inputs: asks all parties, scores their answers, and says how sure that is. */
import { AppError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import { requireRunning } from "../../base/interrupt.ts";
import type { Rng } from "../../base/rng.ts";
import { runsAnswers, type ScorerName, scoreLine } from "../../eval/scorers/table.ts";
import { type Cluster, clusterBootstrap, mean, quantile } from "../../eval/statistics.ts";
import { type Certificate, lowestRung, type Party, parties } from "./certificate.ts";

/** An input, and what is expected of its answer where that is known beforehand. */
export type Measured = { readonly input: string; readonly target?: string | undefined };

export type Told = {
  readonly text: string;
  readonly finish: "stop" | "length";
  readonly inputTokens: number;
  readonly ms: number;
  /** Logits (vocab) of the first token, where there was a choice. */
  readonly first: Float32Array | undefined;
};

export type CertifyOptions = {
  /** Answers an input. */
  readonly ask: (party: Party, input: string) => Promise<Told>;
  /** Whether the prompt is known, so that the prompted model can be asked. */
  readonly isPrompted: boolean;
  /** What an answer is held against, where the input does not bring it. Undefined: the prompted edge model's own answer. */
  readonly refer?: ((input: string) => Promise<string>) | undefined;
  readonly scorer: ScorerName;
  readonly threshold?: number | undefined;
  readonly rng: Rng;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
};

export const certifyLimits = { inputs: 2000, atOnce: 8, timed: 5 } as const;

type Result = Pick<
  Certificate,
  "inputs" | "inputsSha256" | "scorer" | "parties" | "ahead" | "firstTokenKl" | "threshold" | "rung"
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
  const asked = parties.filter((party) => party !== "prompted" || isPrompted);
  const rows: Row[] = [];
  let done = 0;
  await atOnce(inputs, certifyLimits.atOnce, async (measured, at) => {
    requireRunning(signal, "certificate: interrupted");
    rows[at] = await rowOf(measured, asked, options);
    onProgress?.(++done, inputs.length);
  });
  const times = await timed(inputs, asked, options);
  const column = (party: Party) => rows.map(({ scores }) => scores[party]!);
  const overInputs = (columns: Cluster, statistic: (means: readonly number[]) => number) => ({
    mean: statistic(columns.map((values) => mean(values))),
    ...clusterBootstrap([columns], statistic, { rng }),
  });
  const resultOf = (party: Party) => ({
    score: overInputs([column(party)], ([score]) => score!),
    inputTokens: mean(rows.map(({ told }) => told[party]!.inputTokens)),
    ms: times[party] ?? null,
  });
  const aheadOf = (party: Party) =>
    overInputs([column("specialized"), column(party)], ([specialized, other]) => specialized! - other!);
  const kls = rows.flatMap(({ told: { specialized, prompted } }) =>
    prompted?.first && specialized?.first ? [klOf(prompted.first, specialized.first)] : [],
  );
  const found: Certificate["parties"] = {
    specialized: resultOf("specialized"),
    base: resultOf("base"),
    control: resultOf("control"),
    ...(isPrompted ? { prompted: resultOf("prompted") } : {}),
  };
  return {
    inputs: inputs.length,
    inputsSha256: sha256(JSON.stringify(rows.map(({ target }, i) => [inputs[i]!.input, target]))),
    scorer,
    parties: found,
    ahead: {
      base: aheadOf("base"),
      control: aheadOf("control"),
      ...(isPrompted ? { prompted: aheadOf("prompted") } : {}),
    },
    ...(kls.length === 0 ? {} : { firstTokenKl: overInputs([kls], ([kl]) => kl!) }),
    ...(threshold === undefined ? {} : { threshold, rung: lowestRung(found, threshold) }),
  };
}

type Row = {
  readonly target: string;
  readonly told: Readonly<Partial<Record<Party, Told>>>;
  readonly scores: Readonly<Partial<Record<Party, number>>>;
};

async function rowOf(
  { input, target: known }: Measured,
  asked: readonly Party[],
  { ask, refer, scorer }: CertifyOptions,
): Promise<Row> {
  const answers = await Promise.all(asked.map(async (party) => [party, await ask(party, input)] as const));
  const told = Object.fromEntries(answers) as Row["told"];
  const target = known ?? (refer === undefined ? told.prompted!.text : await refer(input));
  const scores = await Promise.all(
    answers.map(async ([party, { text, finish }]) => {
      const line = await scoreLine({ target, answer: text, finish }, [scorer]);
      return [party, line.scores[scorer]!.score] as const;
    }),
  );
  return { target, told, scores: Object.fromEntries(scores) };
}

/** Milliseconds of the first inputs, asked one after the other: the median of each party. */
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
      times.push((await ask(party, input)).ms);
    }
    medians[party] = quantile(
      times.sort((a, b) => a - b),
      0.5,
    );
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

/** Works on the items in order, so many at once; ends at the first failure. */
async function atOnce<T>(items: readonly T[], count: number, work: (item: T, at: number) => Promise<void>) {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      await work(items[at]!, at);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(count, items.length) }, worker));
  } finally {
    next = items.length;
  }
}
