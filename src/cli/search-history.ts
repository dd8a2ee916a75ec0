/** @file The history of a search from few examples, kept beside what it found: how right each generation was, and what it mixed. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { readJsonFile, writeJsonFile } from "../base/json-file.ts";

export const searchHistoryName = "search.json";

const share = z.number().min(0).max(1);

const SearchHistory = z.strictObject({
  format: z.literal("lora-gen search 1"),
  /** What was searched for. */
  of: z.enum(["shares of skills", "gates"]),
  /** By what: "cem", "learnt", … */
  by: z.string(),
  /** What `at` counts. */
  counts: z.enum(["generation", "step"]),
  /** How many examples accuracies are of. */
  examples: z.int().min(1),
  /** Whose shares there are. */
  skills: z.array(z.string()).max(1024).optional(),
  /** What others score on the same examples, by name. */
  beside: z.record(z.string(), share),
  points: z
    .array(
      z.strictObject({
        at: z.int().min(0),
        /** Of the best so far where skills are mixed, of this state where gates are tried. */
        accuracy: share,
        /** What the generation's candidates were compared by: the best, and the mean. */
        best: z.number().optional(),
        mean: z.number().optional(),
        /** Of each skill, the mean over layers of the Gaussian's centre. */
        shares: z.array(z.number()).optional(),
      }),
    )
    .min(1)
    .max(100_000),
});
export type SearchHistory = z.infer<typeof SearchHistory>;

/** Throws E_NOT_FOUND where a folder has none, E_FORMAT. */
export const readSearchHistory = (directory: string): Promise<SearchHistory> =>
  readJsonFile(join(directory, searchHistoryName), SearchHistory);

export const writeSearchHistory = (directory: string, history: Omit<SearchHistory, "format">): Promise<void> =>
  writeJsonFile(join(directory, searchHistoryName), { format: "lora-gen search 1", ...history });

/**
 * Looks at the place of a history before what it is of is replaced. Only an earlier one of the same kind gives way; any other file of that name
 * stays.
 * @returns what takes the earlier one away; undefined where there is no place
 * @throws E_IO where it cannot be read
 */
export async function placeForHistory(
  directory: string,
  of: SearchHistory["of"],
): Promise<(() => Promise<void>) | undefined> {
  try {
    if ((await readSearchHistory(directory)).of !== of) return undefined;
    return () => rm(join(directory, searchHistoryName), { force: true });
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "E_IO") throw error;
    return error.code === "E_NOT_FOUND" ? async () => undefined : undefined;
  }
}
