/** @file Parts of a long measurement, each kept in a file of its own as soon as it is there: what was stopped goes on with the next one. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../src/base/errors.ts";
import { sha256 } from "../../src/base/hash.ts";
import { readJsonFile, writeJsonFile } from "../../src/base/json-file.ts";

/** What `make` made before under the same key, in the same folder; else what it makes now. */
export async function kept<T>(folder: string, key: unknown, make: () => Promise<T>): Promise<T> {
  const path = join(folder, `${sha256(JSON.stringify(key)).slice(0, 24)}.json`);
  try {
    return (await readJsonFile(path, z.object({ made: z.unknown() }))).made as T;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "E_NOT_FOUND") throw error;
  }
  const made = await make();
  await mkdir(folder, { recursive: true });
  await writeJsonFile(path, { key, made });
  return made;
}
