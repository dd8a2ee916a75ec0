/** @file One evaluation repeated with several seeds: means and their standard errors over the seeds. */
import type { MethodName } from "./methods.ts";
import { type Interval, mean, standardError, studentInterval } from "./statistics.ts";
import { type EvalReport, meanCell } from "./summarize.ts";

export type SeedCell = {
  readonly tasks: number;
  /** Queries of all seeds together. */
  readonly n: number;
  /** Mean over seeds of the mean over tasks. */
  readonly accuracy: number;
  /** Of that mean, from the spread of the seeds; null for a single seed. */
  readonly stderr: number | null;
  /** Student's 95 % interval over the seeds: of three seeds 4.3 standard errors to either side; null for a single seed. */
  readonly interval: Interval | null;
  readonly perSeed: readonly number[];
  /** Of the first seed, in which queries are timed. */
  readonly inputTokens: number;
  readonly msPerQuery: number | null;
};

/** The tasks `names` of every report, as one cell per method. A report is one seed. */
export function overSeeds(
  reports: readonly EvalReport[],
  names: readonly string[],
): Partial<Record<MethodName, SeedCell>> {
  const methods = Object.keys(reports[0]!.mean) as MethodName[];
  return Object.fromEntries(
    methods.map((method) => {
      const cells = reports.map(({ tasks }) => meanCell(names.map((name) => tasks[name]![method]!)));
      const perSeed = cells.map(({ accuracy }) => accuracy);
      const [{ tasks, inputTokens, msPerQuery }] = cells as [(typeof cells)[number]];
      const n = cells.reduce((sum, cell) => sum + cell.n, 0);
      return [method, { tasks, n, accuracy: mean(perSeed), ...spread(perSeed), perSeed, inputTokens, msPerQuery }];
    }),
  );
}

export type SeedDifference = {
  readonly difference: number;
  readonly stderr: number | null;
  readonly interval: Interval | null;
  /** Per seed with the bootstrap's 95 % interval. */
  readonly perSeed: readonly { readonly difference: number; readonly low: number; readonly high: number }[];
};

/** The paired differences of every report: means and standard errors over seeds. */
export function differencesOverSeeds(reports: readonly EvalReport[]): Readonly<Record<string, SeedDifference>> {
  return Object.fromEntries(
    Object.keys(reports[0]!.comparisons).map((name) => {
      const perSeed = reports.map(({ comparisons }) => {
        const { difference, low, high } = comparisons[name]!;
        return { difference, low, high };
      });
      const differences = perSeed.map(({ difference }) => difference);
      return [name, { difference: mean(differences), ...spread(differences), perSeed }];
    }),
  );
}

function spread(values: readonly number[]): { stderr: number | null; interval: Interval | null } {
  if (values.length < 2) return { stderr: null, interval: null };
  return { stderr: standardError(values), interval: studentInterval(values) };
}
