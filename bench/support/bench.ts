/** @file What a benchmark is: options in; configuration, raw repetitions, medians, ratios and checks out. */

export type BenchOptions = {
  /** Tiny sizes: shows that everything runs, measures nothing. */
  readonly quick: boolean;
  /** Also runs the peers, in turn with ours: PyTorch as it is, or through torch.compile, and llama.cpp. */
  readonly peer: "none" | "eager" | "compiled";
  readonly repetitions: number;
  readonly warmUp: number;
  readonly threads: number;
  /** The folder of a pair; undefined: the one that ships, `pairs/smollm2`. */
  readonly pair: string | undefined;
  /** Sizes of `ladder` in the place of the usual ones. */
  readonly ladder?: Readonly<Record<string, number>> | undefined;
  /** The folder of data sets that `ladder` reads; undefined: `../shared/data`. */
  readonly data?: string | undefined;
  /** The GGUF file of `published`; undefined: the usual one. */
  readonly file?: string | undefined;
  readonly log: (line: string) => void;
};

/** A measured value beside its limit. */
export type Check = {
  readonly what: string;
  readonly value: number;
  readonly relation: "at least" | "at most";
  readonly limit: number;
  readonly met: boolean;
};

export type BenchResult = {
  readonly configuration: Readonly<Record<string, unknown>>;
  /** Every repetition, in the order of the run. */
  readonly raw: Readonly<Record<string, readonly number[]>>;
  readonly medians: Readonly<Record<string, number>>;
  readonly ratios: Readonly<Record<string, number>>;
  readonly checks: readonly Check[];
};

export type Bench = {
  readonly run: (options: BenchOptions) => Promise<BenchResult>;
};

export const atLeast = (what: string, value: number, limit: number): Check => ({
  what,
  value,
  relation: "at least",
  limit,
  met: value >= limit,
});

export const atMost = (what: string, value: number, limit: number): Check => ({
  what,
  value,
  relation: "at most",
  limit,
  met: value <= limit,
});

/** The middle value; the mean of the two middle ones of an even number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** The median of every series. */
export const medians = (raw: Readonly<Record<string, readonly number[]>>): Record<string, number> =>
  Object.fromEntries(Object.entries(raw).map(([name, values]) => [name, median(values)]));

/** a/b of every round. */
export const pairedRatios = (a: readonly number[], b: readonly number[]): number[] =>
  a.map((value, i) => value / b[i]!);

/** The median of a/b over rounds: what slows a whole round down cancels out. */
export const pairedRatio = (a: readonly number[], b: readonly number[]): number => median(pairedRatios(a, b));

/**
 * The narrowest two order statistics, equally far from both ends, between which the median of what was drawn lies with a probability of at
 * least 95 %, if rounds are independent and whatever their distribution: the sign test's interval. Of nine values the second and the eighth.
 * Undefined for fewer than six.
 */
export function medianInterval(values: readonly number[]): { readonly low: number; readonly high: number } | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  let cut = 0; // values left out at either end
  let exactly = 2 ** -n; // the probability that so many of n values lie below the median
  for (let atMost = exactly; atMost <= 0.025; atMost += exactly) {
    cut++;
    exactly *= (n - cut + 1) / cut;
  }
  return cut === 0 ? undefined : { low: sorted[cut - 1]!, high: sorted[n - cut]! };
}

/**
 * Runs subjects in turn, A B, B A, A B, …, so that what changes on the machine in the meantime meets all of them.
 * Each subject returns what it measured; the first `warmUp` rounds do not count.
 */
export async function interleave<Name extends string, Measured>(
  subjects: Readonly<Record<Name, () => Promise<Measured>>>,
  { repetitions, warmUp }: Pick<BenchOptions, "repetitions" | "warmUp">,
): Promise<Record<Name, Measured[]>> {
  const names = Object.keys(subjects) as Name[];
  const measured = Object.fromEntries(names.map((name) => [name, [] as Measured[]])) as Record<Name, Measured[]>;
  for (let round = 0; round < warmUp + repetitions; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const value = await subjects[name]();
      if (round >= warmUp) measured[name].push(value);
    }
  }
  return measured;
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

/** Several runs as one result. */
export const joined = (results: readonly BenchResult[]): BenchResult => ({
  configuration: Object.assign({}, ...results.map(({ configuration }) => configuration)),
  raw: Object.assign({}, ...results.map(({ raw }) => raw)),
  medians: Object.assign({}, ...results.map((result) => result.medians)),
  ratios: Object.assign({}, ...results.map(({ ratios }) => ratios)),
  checks: results.flatMap(({ checks }) => checks),
});
