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
 * Puts a history in the place of an earlier one, or takes that away: it is not of what lies there now. A file of that name that is none stays.
 * @returns whether the history is there
 */
export async function replaceSearchHistory(
  directory: string,
  history: Omit<SearchHistory, "format"> | undefined,
): Promise<boolean> {
  const before = await readSearchHistory(directory).catch((error: unknown) => {
    if (error instanceof AppError && error.code !== "E_IO") return error;
    throw error;
  });
  if (before instanceof AppError && before.code !== "E_NOT_FOUND") return false;
  if (history !== undefined) await writeSearchHistory(directory, history);
  else await rm(join(directory, searchHistoryName), { force: true });
  return history !== undefined;
}
