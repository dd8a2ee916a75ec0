/**
 * @file The rows of a published task by split. The training set of an unseen task is never read: a comparison of methods that may have seen it
 * would say nothing.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import type { JsonValue } from "../../base/json.ts";
import { checkSchema } from "../../base/json.ts";
import { readJsonl } from "../../files/jsonl.ts";
import type { Benchmark } from "./benchmark.ts";

/** `train`: to learn from. `validation`: to choose by, and for shots of unseen tasks. `test`: what tables report. */
export type Split = "train" | "validation" | "test";

/** Share of the rows that validation takes: of a training set, or of the test rows of a task that has no other. */
const validationShare = { train: 0.1, test: 0.2 } as const;

const most = 200_000;

/**
 * Rows of one split, each in one split only.
 * @throws E_NOT_FOUND saying where the data may be had; E_FORMAT for a row of another form; E_LIMIT; E_DATA for the training set of an unseen task
 */
export async function readSplit(name: string, one: Benchmark, split: Split, data: string): Promise<unknown[]> {
  const { train, validation, test } = one.files;
  const read = (file: string) => readFile(name, one, file, data);
  if (split === "train" && train === undefined)
    throw new AppError("E_DATA", `${name}: the training set of an unseen task is never read`);
  if (split === "validation" && typeof validation === "string") return read(validation);
  if (validation === null) return split === "test" ? read(test) : [];
  if (train === undefined)
    return (await read(test)).filter((row) => isShare(row, validationShare.test) === (split === "validation"));
  if (split === "test") return read(test);
  const tested = new Set((await read(test)).map(identity));
  const own = (await read(train)).filter((row) => !tested.has(identity(row)));
  if (validation !== undefined) return own;
  return own.filter((row) => isShare(row, validationShare.train) === (split === "validation"));
}

/** Of what a row says, not of its id. */
const identity = (row: unknown): string => sha256(JSON.stringify(row));

const isShare = (row: unknown, share: number): boolean =>
  Number.parseInt(identity(row).slice(0, 8), 16) / 2 ** 32 < share;

async function readFile(
  name: string,
  { files, source, row }: Benchmark,
  file: string,
  data: string,
): Promise<unknown[]> {
  const path = await findFile(join(data, files.folder, file));
  if (path === undefined)
    throw new AppError(
      "E_NOT_FOUND",
      `${name}: expected ${join(data, files.folder, file)}.jsonl.gz or .jsonl, found neither; its rows: ${source}; their form: docs/tasks.md`,
    );
  const rows: unknown[] = [];
  for await (const value of readJsonl(path)) {
    if (rows.length === most) throw new AppError("E_LIMIT", `${path}: more than ${most} rows`);
    rows.push(checkSchema(value satisfies JsonValue, row, { what: `${path}: row ${rows.length + 1}` }));
  }
  return rows;
}

async function findFile(stem: string): Promise<string | undefined> {
  for (const ending of [".jsonl.gz", ".jsonl"]) {
    const found = await stat(stem + ending).catch(() => undefined);
    if (found?.isFile()) return stem + ending;
  }
  return undefined;
}
