/** @file Outcomes to a report: accuracies with their errors, means over tasks, paired differences. */
import type { Rng } from "../base/rng.ts";
import type { Outcome } from "./ask.ts";
import type { MethodName } from "./methods.ts";
import { average, harmonicMean } from "./metrics.ts";
import { binomialError, type Difference, mean, pairedBootstrap, standardError } from "./statistics.ts";

export type EvalCell = {
  readonly n: number;
  readonly accuracy: number;
  /** By log-likelihood per byte; where samples have choices. */
  readonly accuracyNorm?: number;
  /** √(p(1 − p)/(n − 1)); NaN for a single sample. */
  readonly stderr: number;
  /** Mean tokens that the edge model reads before it answers. */
  readonly inputTokens: number;
  /** Of a query asked alone, its whole prompt read; null where nothing was timed. */
  readonly msPerQuery: number | null;
};

/** Over tasks that count equally. `stderr` is clustered: of the tasks' accuracies; of one task, its own. */
export type MeanCell = EvalCell & {
  readonly tasks: number;
  /** HAR: the harmonic mean of the tasks' accuracies. */
  readonly harmonic: number;
};

export type Comparison = Difference & { readonly tasks: Readonly<Record<string, Difference>> };

type PerMethod<T> = Readonly<Partial<Record<MethodName, T>>>;

export type EvalReport = {
  readonly tasks: Readonly<Record<string, PerMethod<EvalCell>>>;
  readonly mean: PerMethod<MeanCell>;
  /** `specialized-vs-METHOD`: paired differences of accuracy with 95 % bootstrap intervals. */
  readonly comparisons: Readonly<Record<string, Comparison>>;
  /** Methods that were to be left out where some task does not allow them, and why; absent where there are none. */
  readonly leftOut?: PerMethod<string>;
};

/** What one method gave on one task. */
export type Measured = {
  readonly task: string;
  readonly method: MethodName;
  readonly outcomes: readonly Outcome[];
  readonly hasChoices: boolean;
  readonly inputTokens: number;
  readonly msPerQuery: number | null;
};

/** The method that the others are compared with. */
export const comparedMethod: MethodName = "specialized";

/** `measured` holds every method of every task, samples in the same order. */
export function summarize(measured: readonly Measured[], rng: Rng): EvalReport {
  const names = [...new Set(measured.map(({ task }) => task))];
  const methods = [...new Set(measured.map(({ method }) => method))];
  const find = (task: string, method: MethodName) =>
    measured.find((one) => one.task === task && one.method === method)!;
  const cells = names.map(
    (task) => [task, Object.fromEntries(methods.map((method) => [method, cell(find(task, method))]))] as const,
  );
  const others = methods.includes(comparedMethod) ? methods.filter((method) => method !== comparedMethod) : [];
  return {
    tasks: Object.fromEntries(cells),
    mean: Object.fromEntries(methods.map((method) => [method, meanCell(cells.map(([, row]) => row[method]!))])),
    comparisons: Object.fromEntries(
      others.map((other) => {
        const name = `${comparedMethod}-vs-${other}`;
        const pairs = names.map((task) => [find(task, comparedMethod), find(task, other)] as const);
        return [name, compare(names, pairs, rng.split(name))];
      }),
    ),
  };
}

const share = (outcomes: readonly Outcome[], isRight: (outcome: Outcome) => boolean): number =>
  outcomes.filter(isRight).length / outcomes.length;

function cell({ outcomes, hasChoices, inputTokens, msPerQuery }: Measured): EvalCell {
  const accuracy = share(outcomes, ({ isRight }) => isRight);
  const n = outcomes.length;
  return {
    n,
    accuracy,
    ...(hasChoices ? { accuracyNorm: share(outcomes, ({ isRightPerByte }) => isRightPerByte) } : {}),
    stderr: binomialError(accuracy, n),
    inputTokens,
    msPerQuery,
  };
}

/** The mean of cells, one per task. */
export function meanCell(cells: readonly EvalCell[]): MeanCell {
  const accuracies = cells.map(({ accuracy }) => accuracy);
  const timed = cells.flatMap(({ msPerQuery }) => (msPerQuery === null ? [] : [msPerQuery]));
  const hasChoices = cells.some(({ accuracyNorm }) => accuracyNorm !== undefined);
  return {
    tasks: cells.length,
    n: cells.reduce((sum, { n }) => sum + n, 0),
    accuracy: average(accuracies),
    ...(hasChoices
      ? { accuracyNorm: average(cells.map(({ accuracy, accuracyNorm }) => accuracyNorm ?? accuracy)) }
      : {}),
    harmonic: harmonicMean(accuracies),
    stderr: cells.length === 1 ? cells[0]!.stderr : standardError(accuracies),
    inputTokens: mean(cells.map(({ inputTokens }) => inputTokens)),
    msPerQuery: timed.length === 0 ? null : mean(timed),
  };
}

function compare(names: readonly string[], pairs: readonly (readonly [Measured, Measured])[], rng: Rng): Comparison {
  const groups = pairs.map(([one, other]) =>
    one.outcomes.map(({ isRight }, i) => Number(isRight) - Number(other.outcomes[i]!.isRight)),
  );
  const { groups: each, ...pooled } = pairedBootstrap(groups, { rng });
  return { ...pooled, tasks: Object.fromEntries(names.map((name, i) => [name, each[i]!])) };
}
