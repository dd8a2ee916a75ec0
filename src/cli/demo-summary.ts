/** @file What the demo measured, in a few numbers: right answers, cost per query, cost of specialising, break-even. */
import { type DemoResult, type DemoRole, type DemoRow, type PerRole, roles } from "./demo-run.ts";

export type DemoSummary = {
  readonly n: number;
  readonly right: PerRole<number>;
  /** Means per query. */
  readonly inputTokens: PerRole<number>;
  readonly ms: PerRole<number>;
  readonly cachedPromptMs: number;
  /** Specialised against prompted. */
  readonly savedTokens: number;
  readonly savedMs: number;
  readonly savedMsCachedPrompt: number;
  /** Means per prompt. */
  readonly specializeMs: {
    readonly cloud: number;
    readonly merge: number;
    readonly compile: number;
    readonly total: number;
  };
  /** Queries after which specialising has paid back; null where a query costs no less. */
  readonly breakEvenQueries: number | null;
  readonly breakEvenQueriesCachedPrompt: number | null;
  /** Of a specialisation file, and of the text of its prompt. */
  readonly bytes: number;
  readonly promptBytes: number;
};

/** `results` hold at least one answer. */
export function summarizeDemo(results: readonly DemoResult[]): DemoSummary {
  const rows = results.flatMap((result) => result.rows);
  const perRole = (value: (row: DemoRow, role: DemoRole) => number, of: (values: number[]) => number) =>
    Object.fromEntries(roles.map((role) => [role, of(rows.map((row) => value(row, role)))])) as PerRole<number>;
  const inputTokens = perRole(({ answers }, role) => answers[role].inputTokens, mean);
  const ms = perRole(({ answers }, role) => answers[role].ms, mean);
  const cachedPromptMs = mean(rows.map((row) => row.cachedPromptMs));
  const stage = (name: "cloud" | "merge" | "compile") => mean(results.map((result) => result.ms[name]));
  const stages = { cloud: stage("cloud"), merge: stage("merge"), compile: stage("compile") };
  const specializeMs = { ...stages, total: stages.cloud + stages.merge + stages.compile };
  const savedMs = ms.prompted - ms.specialized;
  const savedMsCachedPrompt = cachedPromptMs - ms.specialized;
  return {
    n: rows.length,
    right: perRole(({ answers }, role) => Number(answers[role].isRight), sum),
    inputTokens,
    ms,
    cachedPromptMs,
    savedTokens: inputTokens.prompted - inputTokens.specialized,
    savedMs,
    savedMsCachedPrompt,
    specializeMs,
    breakEvenQueries: breakEven(specializeMs.total, savedMs),
    breakEvenQueriesCachedPrompt: breakEven(specializeMs.total, savedMsCachedPrompt),
    bytes: mean(results.map(({ bytes }) => bytes)),
    promptBytes: mean(results.map(({ prompt }) => Buffer.byteLength(prompt))),
  };
}

/** The first query at which what was saved reaches the cost. */
export const breakEven = (cost: number, savedPerQuery: number): number | null =>
  savedPerQuery > 0 ? Math.ceil(cost / savedPerQuery) : null;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
