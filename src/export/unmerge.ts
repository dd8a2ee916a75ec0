/** @file The base model back from a merged one, byte for byte. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { requireRunning } from "../base/interrupt.ts";
import { ioError } from "../base/io-error.ts";
import { copyRegularFile } from "../base/read-file.ts";
import type { Model } from "../models/model.ts";
import { openModel } from "../models/model-file.ts";
import { type MergeRecord, readMergeRecord } from "../models/save-merged.ts";
import { withNewFolder } from "./new-folder.ts";

export type Unmerged = {
  readonly out: string;
  /** What had been merged. */
  readonly record: MergeRecord;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
};

/**
 * Writes the model that an adapter was merged into. Subtracting the adapter would leave rounding errors in every adapted weight, so the
 * weights come from the base model itself, which must be the very one that was merged into; the copy is verified by its hash.
 * @throws E_MISMATCH where nothing is merged into the model, or `base` is another one; E_INTERRUPTED between its files: then nothing is left
 */
export async function unmerge(
  merged: string,
  base: Model,
  out: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Unmerged> {
  const record = await readMergeRecord(merged);
  if (record === undefined) throw new AppError("E_MISMATCH", `${merged}: nothing is merged into this model`);
  requireBase(base.directory, base, record);
  if (base.directory.endsWith(".gguf"))
    throw new AppError(
      "E_USAGE",
      `${base.directory}: this file is the base model; there is no folder to restore it from`,
    );
  return withNewFolder(out, async (directory) => {
    const names = await plainFiles(base.directory);
    const files: { name: string; bytes: number }[] = [];
    for (const name of names) {
      requireRunning(signal);
      await copyRegularFile(join(base.directory, name), join(directory, name));
      files.push({ name, bytes: (await stat(join(directory, name))).size });
    }
    requireRunning(signal);
    requireBase(out, await openModel(directory), record);
    return { out, record, files };
  });
}

/** A quantised model has the identity of the one that it was made from: which of both was merged into, its own hash tells. */
function requireBase(
  what: string,
  { sha256, weightsSha256 }: Model,
  { base_sha256: wanted, base_weights_sha256: wantedWeights }: MergeRecord,
): void {
  if (sha256 !== wanted)
    throw new AppError(
      "E_MISMATCH",
      `${what}: merged into a base model of sha256 ${wanted}, but this one's is ${sha256}`,
    );
  const spelled = (hash: string | undefined) => (hash === undefined ? "unquantised" : `quantised, of sha256 ${hash}`);
  if (weightsSha256 !== wantedWeights)
    throw new AppError(
      "E_MISMATCH",
      `${what}: merged into weights that are ${spelled(wantedWeights)}, but this model's are ${spelled(weightsSha256)}`,
    );
}

/** Regular files, also behind links: a pipe would be waited for. Hidden ones are tools' own, such as the record of a cache. */
async function plainFiles(directory: string): Promise<string[]> {
  try {
    const names: string[] = [];
    for (const name of (await readdir(directory)).filter((one) => !one.startsWith(".")))
      if (
        await stat(join(directory, name)).then(
          (found) => found.isFile(),
          () => false,
        )
      )
        names.push(name);
    return names;
  } catch (error) {
    throw ioError(error, "read", directory);
  }
}
