/** @file A log to numbers: by stratum, which are never averaged, accuracies, the prompt's effect and paired differences. */
import { groupBy } from "../base/group-by.ts";
import { createRng, type Rng } from "../base/rng.ts";
import type { LogLine } from "./log.ts";
import {
  BOOTSTRAP_RESAMPLES,
  type Cluster,
  clusterBootstrap,
  columnMeans,
  harmonicMean,
  holm,
  type Interval,
  type Items,
  itemsOf,
  mean,
  signFlipTest,
} from "./statistics.ts";

/** What one method got in one task. */
export type Cell = {
  readonly n: number;
  /** Mean of the scorer that counts. */
  readonly score: number;
  /** Questions that could not be asked; they count as 0. */
  readonly failed: number;
  /** Mean tokens read before the answer; null where none was asked. */
  readonly inputTokens: number | null;
  /** Of questions asked alone; null where none was timed. */
  readonly msPerQuery: number | null;
  /** Mean of the first pass over all questions, those remembered among them; null where there is none. */
  readonly msFirstPass: number | null;
};

/** Over the tasks of a stratum, which count equally. */
export type MethodReport = Cell & {
  readonly tasks: number;
  /** 95 %, clustered by task, and by item within: the same input asked with several seeds is one item. */
  readonly interval: Interval;
  /** HAR: the harmonic mean of the tasks' scores. */
  readonly harmonic: number;
  /** Mean of every scorer that all of its questions have. */
  readonly byScorer: Readonly<Record<string, number>>;
};

export type PromptEffect = Interval & {
  /** Specialised − the better control. */
  readonly effect: number;
  readonly specialized: number;
  readonly controls: Readonly<Record<string, number>>;
  /** Tasks that have all of these methods. */
  readonly tasks: number;
  readonly byTask: Readonly<Record<string, number>>;
};

export type Comparison = Interval & {
  readonly method: string;
  readonly against: string;
  readonly difference: number;
  readonly tasks: number;
  /** Of a sign-flip test over tasks, and corrected by Holm over all comparisons of the report. */
  readonly p: number;
  readonly holm: number;
};

export type StratumReport = {
  readonly tasks: Readonly<Record<string, Readonly<Record<string, Cell>>>>;
  readonly methods: Readonly<Record<string, MethodReport>>;
  /** null where the specialised model or every control is missing. */
  readonly promptEffect: PromptEffect | null;
  readonly comparisons: readonly Comparison[];
};

export type EvalReport = { readonly strata: Readonly<Record<string, StratumReport>> };

export type ReportOptions = {
  /** The method that every other one is held against; without it, the specialised model is held against every other. */
  readonly against?: string | undefined;
  /** Of the bootstrap. */
  readonly seed?: number;
  readonly resamples?: number;
};

const headline = "specialized";
const controls = ["sibling-prompt", "far-prompt"];

/** How resamples are drawn. */
type Draws = { readonly rng: Rng; readonly resamples: number };
const splitDraws = ({ rng, resamples }: Draws, name: string): Draws => ({ rng: rng.split(name), resamples });

/** Lines of one method in one task by question. */
type Answers = ReadonlyMap<string, LogLine>;
type Stratum = {
  readonly tasks: readonly string[];
  readonly methods: readonly string[];
  /** undefined: the method was not asked this task. */
  readonly answers: (method: string, task: string) => Answers | undefined;
};

/** Makes all numbers of a report. Lines of the same question count once, the last one. */
export function summarize(
  lines: readonly LogLine[],
  { against, seed = 1, resamples = BOOTSTRAP_RESAMPLES }: ReportOptions = {},
): EvalReport {
  const rng = createRng(seed).split("bootstrap");
  const strata = [...groupBy(lines, ({ stratum }) => stratum)].map(
    ([name, members]) =>
      [name, summarizeStratum(members, { against, draws: { rng: rng.split(name), resamples } })] as const,
  );
  const adjusted = holm(strata.flatMap(([, { comparisons }]) => comparisons.map(({ p }) => p)));
  let at = 0;
  return {
    strata: Object.fromEntries(
      strata.map(([name, stratum]) => [
        name,
        { ...stratum, comparisons: stratum.comparisons.map((one) => ({ ...one, holm: adjusted[at++]! })) },
      ]),
    ),
  };
}

function summarizeStratum(
  lines: readonly LogLine[],
  { against, draws }: { against: string | undefined; draws: Draws },
): StratumReport {
  const methodOf = methodNames(lines);
  const byTask = groupBy(lines, ({ task }) => task);
  const cells = new Map<string, Map<string, LogLine[]>>();
  for (const [task, members] of byTask) cells.set(task, groupBy(lastOfEach(members, methodOf), methodOf));
  const methods = [...groupBy(lines, methodOf).keys()];
  const stratum: Stratum = {
    tasks: [...byTask.keys()],
    methods,
    answers(method, task) {
      const found = cells.get(task)!.get(method);
      return found && new Map(found.map((line) => [question(line), line]));
    },
  };
  return {
    tasks: Object.fromEntries(
      stratum.tasks.map((task) => [
        task,
        Object.fromEntries(
          methods.flatMap((method) => {
            const found = cells.get(task)!.get(method);
            return found === undefined ? [] : [[method, cellOf(found)]];
          }),
        ),
      ]),
    ),
    methods: Object.fromEntries(
      methods.map((method) => {
        const groups = stratum.tasks.flatMap((task) => cells.get(task)!.get(method) ?? []);
        return [method, methodReport(groups, splitDraws(draws, method))];
      }),
    ),
    promptEffect: promptEffect(stratum, splitDraws(draws, "prompt effect")),
    comparisons: comparePairs(stratum, against, draws),
  };
}

/** Names methods, with what was adapted behind them where a method was used on several models. */
function methodNames(lines: readonly LogLine[]): (line: LogLine) => string {
  const models = new Map<string, Set<string>>();
  for (const { method, sha256 } of lines) models.set(method, (models.get(method) ?? new Set()).add(sha256.model));
  return ({ method, subject }) => (models.get(method)!.size === 1 ? method : `${method} (${subject})`);
}

const question = ({ seed, sample }: LogLine): string => JSON.stringify([seed ?? null, sample]);
const itemsOfLines = (lines: readonly LogLine[]): Items => itemsOf(lines.map(({ input }) => input));
const scoreOf = ({ scorer, scores }: LogLine): number => scores[scorer]?.score ?? 0;

const lastOfEach = (lines: readonly LogLine[], methodOf: (line: LogLine) => string): LogLine[] => [
  ...new Map(lines.map((line) => [JSON.stringify([methodOf(line), question(line)]), line])).values(),
];

function cellOf(lines: readonly LogLine[]): Cell {
  return {
    n: lines.length,
    score: mean(lines.map(scoreOf)),
    failed: lines.filter(({ finish }) => finish === "failed").length,
    inputTokens: meanOrNull(lines.map(({ inputTokens }) => inputTokens)),
    msPerQuery: meanOrNull(lines.map(({ ms }) => ms)),
    msFirstPass: meanOrNull(lines.map(({ dispatch }) => dispatch?.ms ?? null)),
  };
}

function methodReport(lines: readonly LogLine[], draws: Draws): MethodReport {
  const groups = [...groupBy(lines, ({ task }) => task).values()];
  const cells = groups.map(cellOf);
  const clusters = groups.map((group): Cluster => [group.map(scoreOf)]);
  const shared = Object.keys(lines[0]!.scores).filter((name) =>
    lines.every(({ scores }) => Object.hasOwn(scores, name)),
  );
  return {
    tasks: cells.length,
    n: lines.length,
    score: mean(cells.map(({ score }) => score)),
    interval: clusterBootstrap(clusters, ([value]) => value!, { ...draws, items: groups.map(itemsOfLines) }),
    harmonic: harmonicMean(cells.map(({ score }) => score)),
    failed: cells.reduce((sum, { failed }) => sum + failed, 0),
    inputTokens: meanOrNull(cells.map(({ inputTokens }) => inputTokens)),
    msPerQuery: meanOrNull(cells.map(({ msPerQuery }) => msPerQuery)),
    msFirstPass: meanOrNull(cells.map(({ msFirstPass }) => msFirstPass)),
    byScorer: Object.fromEntries(
      shared.map((name) => [name, mean(groups.map((group) => mean(group.map(({ scores }) => scores[name]!.score))))]),
    ),
  };
}

/** The scores of several methods in one task, a column each, with the items that their questions are of. */
type Compared = { readonly scores: Cluster; readonly items: Items };

/** The tasks that have all the methods, each with the questions that all of them answered. */
function comparedOf({ tasks, answers }: Stratum, methods: readonly string[]): Map<string, Compared> {
  const compared = new Map<string, Compared>();
  for (const task of tasks) {
    const found = methods.map((method) => answers(method, task));
    const [first] = found;
    if (first === undefined || !found.every((one) => one !== undefined)) continue;
    const common = [...first.keys()].filter((key) => found.every((one) => one.has(key)));
    if (common.length > 0)
      compared.set(task, {
        scores: found.map((one) => common.map((key) => scoreOf(one.get(key)!))),
        items: itemsOfLines(common.map((key) => first.get(key)!)),
      });
  }
  return compared;
}

/** specialised − the better of the controls: the better one over all tasks, found anew in each resample. */
function promptEffect(stratum: Stratum, draws: Draws): PromptEffect | null {
  const present = controls.filter((control) => stratum.methods.includes(control));
  const columns = [headline, ...present];
  if (present.length === 0 || !stratum.methods.includes(headline)) return null;
  const compared = comparedOf(stratum, columns);
  if (compared.size === 0) return null;
  const effectOf = ([own, ...others]: readonly number[]): number => own! - Math.max(...others);
  const members = [...compared.values()].map(({ scores }) => scores);
  const items = [...compared.values()].map((one) => one.items);
  const means = columnMeans(members);
  return {
    effect: effectOf(means),
    ...clusterBootstrap(members, effectOf, { ...draws, items }),
    specialized: means[0]!,
    controls: Object.fromEntries(present.map((control, i) => [control, means[i + 1]!])),
    tasks: compared.size,
    byTask: Object.fromEntries([...compared].map(([task, { scores }]) => [task, effectOf(columnMeans([scores]))])),
  };
}

function comparePairs(stratum: Stratum, against: string | undefined, draws: Draws): Comparison[] {
  const { methods } = stratum;
  const pairs =
    against === undefined
      ? methods.includes(headline)
        ? methods.filter((method) => method !== headline).map((other) => [headline, other] as const)
        : []
      : methods.includes(against)
        ? methods.filter((method) => method !== against).map((method) => [method, against] as const)
        : [];
  return pairs.flatMap(([method, other]) => {
    const compared = [...comparedOf(stratum, [method, other]).values()];
    const clusters = compared.map(({ scores }) => scores);
    if (clusters.length === 0) return [];
    const stream = splitDraws(draws, `${method} − ${other}`);
    const differences = clusters.map(([one, two]) => mean(one!) - mean(two!));
    const p = signFlipTest(differences, stream.rng.split("signs"));
    return [
      {
        method,
        against: other,
        difference: mean(differences),
        ...clusterBootstrap(clusters, ([one, two]) => one! - two!, {
          ...stream,
          items: compared.map(({ items }) => items),
        }),
        tasks: clusters.length,
        p,
        holm: p,
      },
    ];
  });
}

function meanOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : mean(known);
}
