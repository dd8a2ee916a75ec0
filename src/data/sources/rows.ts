/** @file Rows of a gzip JSONL data file, checked against a schema. */
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { z } from "zod";
import { AppError } from "../../base/errors.ts";

const inflate = promisify(gunzip);

/** All rows of `path`. Throws E_DATA for a missing file or a row that does not fit the schema. */
export async function readRows<S extends z.ZodType>(path: string, schema: S): Promise<z.infer<S>[]> {
  let packed: Buffer;
  try {
    packed = await readFile(path);
  } catch (cause) {
    throw new AppError("E_DATA", `${path}: expected a data file, found: ${(cause as Error).message}`, { cause });
  }
  const text = (await inflate(packed)).toString("utf8");
  const rows: z.infer<S>[] = [];
  let start = 0;
  for (let line = 1; start < text.length; line++) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    if (end > start) rows.push(parseRow(text.slice(start, end), schema, `${path}:${line}`));
    start = end + 1;
  }
  return rows;
}

function parseRow<S extends z.ZodType>(line: string, schema: S, where: string): z.infer<S> {
  try {
    return schema.parse(JSON.parse(line));
  } catch (cause) {
    throw new AppError("E_DATA", `${where}: expected a row of the data set, found: ${(cause as Error).message}`, {
      cause,
    });
  }
}
