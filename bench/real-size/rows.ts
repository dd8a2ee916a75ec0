/** @file The table on disk: one JSON row per measurement, added atomically, so that an interrupted run goes on where it stopped. */
import { z } from "zod";
import { AppError } from "../../src/base/errors.ts";
import { readJsonFile, writeJsonFile } from "../../src/base/json-file.ts";

export const Row = z.strictObject({
  model: z.string(),
  /** What was measured: "run int8", "train f32", … Together with the model it is the row's key. */
  measurement: z.string(),
  /** Medians by name, units in the name. */
  values: z.record(z.string(), z.number()),
  /** What the numbers need to be understood: peers and their versions, lengths, types. */
  about: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** Every round, in the order of the run. */
  raw: z.record(z.string(), z.array(z.number()).readonly()).optional(),
  machine: z.record(z.string(), z.union([z.string(), z.number()])),
});
export type Row = z.infer<typeof Row>;
/** What a measurement found; the rest of its row is known before. */
export type Measured = Pick<Row, "values" | "about" | "raw">;

const Table = z.strictObject({ name: z.literal("real-size"), rows: z.array(Row) });

/** The rows of a file; none where there is no file. Throws E_FORMAT, E_IO. */
export async function readRows(path: string): Promise<Row[]> {
  try {
    return (await readJsonFile(path, Table)).rows;
  } catch (error) {
    if (error instanceof AppError && error.code === "E_NOT_FOUND") return [];
    throw error;
  }
}

export const hasRow = (rows: readonly Row[], { model, measurement }: Pick<Row, "model" | "measurement">): boolean =>
  rows.some((row) => row.model === model && row.measurement === measurement);

/** Adds a row to the file, in place of one of the same key. */
export async function putRow(path: string, row: Row): Promise<void> {
  const kept = (await readRows(path)).filter((other) => !hasRow([row], other));
  await writeJsonFile(path, Table.parse({ name: "real-size", rows: [...kept, row] }));
}
