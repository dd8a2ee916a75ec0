/** @file The ledger of costs as a table. */
import type { CostRow } from "../eval/costs.ts";
import type { TableMaker } from "./eval-report.ts";
import { formatBytes, formatMs } from "./format.ts";

const titles = [
  "method",
  "trained",
  "beside",
  "examples",
  "prepare",
  "GFLOP",
  "bytes",
  "tokens in",
  "GFLOP a question",
  "time",
  "pays back after",
];

const giga = (flops: number | null | undefined): string => (flops == null ? "" : (flops / 1e9).toPrecision(3));

export const describeCosts = (rows: readonly CostRow[], table: TableMaker): string =>
  table(
    titles.map((title, i) => ({ title, ...(i === 0 ? {} : { align: "right" as const }) })),
    rows.map(({ method, needs, preparing, question, paysBackAfter }) => [
      method,
      needs?.training ?? "?",
      needs?.beside ?? "?",
      String(Math.round(preparing.examples)),
      formatMs(1000 * preparing.seconds),
      giga(preparing.flops),
      formatBytes(preparing.bytes),
      question?.tokens.toFixed(1) ?? "",
      giga(question?.flops),
      question?.ms == null ? "" : formatMs(question.ms),
      paysBackAfter === null ? "" : String(paysBackAfter),
    ]),
  );
