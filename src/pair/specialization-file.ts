/** @file Specialisation files: gates and provenance, read and written. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { ensureFolder } from "../base/folder.ts";
import { readFileBounded } from "../base/read-file.ts";
import { decodeUtf8 } from "../base/utf8.ts";
import type { Pair } from "./pair-file.ts";
import {
  constraintBytes,
  encodeSpecialization,
  parseSpecialization,
  requireSamePair,
  type Specialization,
  specializationLimits,
} from "./specialization.ts";

export { encodeSpecialization, type Specialization } from "./specialization.ts";

export const specializationFileName = "specialization.json";

/** Writes `specialization.json` into a folder; `bytes` are those of the file, the constraint's among them. */
export async function writeSpecialization(
  directory: string,
  specialization: Specialization,
): Promise<{ readonly file: string; readonly bytes: number; readonly constraintBytes: number }> {
  const text = encodeSpecialization(specialization);
  const file = join(directory, specializationFileName);
  await ensureFolder(directory);
  await writeFileAtomic(file, text);
  return { file, bytes: Buffer.byteLength(text), constraintBytes: constraintBytes(specialization) };
}

/**
 * Reads a specialisation, from its folder or file, and checks it against the pair where one is given.
 * @throws E_NOT_FOUND, E_FORMAT; E_MISMATCH naming both hashes where it was made for other weights
 */
export async function readSpecialization(path: string, pair?: Pair): Promise<Specialization> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, specializationFileName) : path;
  const bytes = await readFileBounded(file, specializationLimits.fileBytes);
  const specialization = parseSpecialization(decodeUtf8(bytes, file), file);
  if (pair !== undefined) requireSamePair(file, specialization, pair);
  return specialization;
}
