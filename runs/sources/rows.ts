/** @file Rows of a gzip JSONL data file, checked against a schema. */
import type { z } from "zod";
import { AppError } from "../../src/base/errors.ts";
import { readJsonl } from "../../src/files/jsonl.ts";

/** All rows of `path`. Throws E_DATA for a missing file or a row that does not fit the schema. */
export async function readRows<S extends z.ZodType>(path: string, schema: S): Promise<z.infer<S>[]> {
  const rows: z.infer<S>[] = [];
  try {
    for await (const value of readJsonl(path)) rows.push(schema.parse(value));
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("E_DATA", `${path}: expected rows of the data set (row ${rows.length + 1}), found: ${found}`, {
      cause,
    });
  }
  return rows;
}
