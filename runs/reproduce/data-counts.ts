/** @file How many rows the files of the eight reasoning tasks have, as they lie there. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../../src/base/errors.ts";
import { BENCHMARKS, benchmarks } from "../../src/eval/tasks/table.ts";
import { readJsonl } from "../../src/files/jsonl.ts";

export type RowCounts = { readonly train: number | undefined; readonly test: number };

/** In the order of the paper's columns; `train` is undefined where it is never read. Throws E_NOT_FOUND. */
export async function countRows(data: string): Promise<RowCounts[]> {
  const reasoning = BENCHMARKS.filter((name) => benchmarks[name].kind === "reasoning");
  const counts: RowCounts[] = [];
  for (const name of reasoning) {
    const { folder, train, test } = benchmarks[name].files;
    const count = (file: string) => linesOf(join(data, folder), file);
    counts.push({ train: train === undefined ? undefined : await count(train), test: await count(test) });
  }
  return counts;
}

async function linesOf(folder: string, stem: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const name = names.find((one) => one === `${stem}.jsonl.gz` || one === `${stem}.jsonl`);
  if (name === undefined) throw new AppError("E_NOT_FOUND", `expected ${join(folder, stem)}.jsonl.gz, found none`);
  let lines = 0;
  for await (const _ of readJsonl(join(folder, name))) lines++;
  return lines;
}
