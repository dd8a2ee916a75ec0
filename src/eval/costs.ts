/** @file The ledger of costs: what each method needed, took to prepare and takes for a question. Means over tasks, and over questions. */
import { groupBy } from "../base/group-by.ts";
import type { Cost, Needs } from "../methods/method.ts";
import { needsOf } from "../methods/table.ts";
import type { LogLine } from "./log.ts";
import { mean } from "./statistics.ts";

export type CostRow = {
  readonly method: string;
  /** null for a method of the caller's own. */
  readonly needs: Needs | null;
  /** Of preparing it for a task. */
  readonly preparing: Cost;
  /** Of a question, both passes where there are two; null where none was answered. */
  readonly question: {
    readonly tokens: number;
    /** Floating-point operations of reading it; null in logs from before they were counted, in the first pass too. */
    readonly flops: number | null;
    /** null where none was timed. */
    readonly ms: number | null;
  } | null;
  /** Questions of a task after which it took fewer operations in all than the method it is held against; null: never, or not known. */
  readonly paysBackAfter: number | null;
};

/** @param against the method that others save operations of */
export function costsOf(lines: readonly LogLine[], against = "prompted"): CostRow[] {
  const rows = [...groupBy(lines, ({ method }) => method)].map(([method, own]) => rowOf(method, own));
  const other = rows.find(({ method }) => method === against);
  return rows.map((row) => ({ ...row, paysBackAfter: other === undefined ? null : paysBack(row, other) }));
}

type Unpaid = Omit<CostRow, "paysBackAfter">;

function rowOf(method: string, lines: readonly LogLine[]): Unpaid {
  const costs = [...groupBy(lines, ({ task, seed }) => `${task} ${seed ?? ""}`).values()].flatMap((of) => {
    const { cost } = of.find(({ error }) => error === undefined) ?? of[0]!;
    return cost === undefined ? [] : [cost];
  });
  const average = (key: keyof Cost) => (costs.length === 0 ? 0 : mean(costs.map((cost) => cost[key])));
  const asked = lines.flatMap(({ inputTokens, flops, ms, dispatch }) =>
    inputTokens === null ? [] : [withFirstPass({ inputTokens, flops, ms }, dispatch)],
  );
  const known = asked.flatMap(({ flops }) => flops ?? []);
  const timed = asked.flatMap(({ ms }) => ms ?? []);
  return {
    method,
    needs: needsOf(method),
    preparing: {
      seconds: average("seconds"),
      flops: average("flops"),
      bytes: average("bytes"),
      examples: average("examples"),
    },
    question:
      asked.length === 0
        ? null
        : {
            tokens: mean(asked.map(({ inputTokens }) => inputTokens)),
            flops: known.length === 0 ? null : mean(known),
            ms: timed.length === 0 ? null : mean(timed),
          },
  };
}

type Asked = { readonly inputTokens: number; readonly flops: number | undefined; readonly ms: number | null };

function withFirstPass({ inputTokens, flops, ms }: Asked, first: LogLine["dispatch"]): Asked {
  if (first === undefined) return { inputTokens, flops, ms };
  return {
    inputTokens: inputTokens + (first.tokens ?? 0),
    flops: flops === undefined || first.flops === undefined ? undefined : flops + first.flops,
    ms: ms === null || first.ms === undefined ? null : ms + first.ms,
  };
}

/** The first whole number of questions after which preparing and asking took less than the other did. */
function paysBack({ preparing, question }: Unpaid, other: Unpaid): number | null {
  const [own, theirs] = [question?.flops ?? null, other.question?.flops ?? null];
  if (own === null || theirs === null || own >= theirs) return null;
  return Math.max(1, Math.ceil((preparing.flops - other.preparing.flops) / (theirs - own)));
}
