/** @file Which prompts a generator knows, on disk: a file in its folder, or none. */
import { join } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { AppError } from "../base/errors.ts";
import { readFileBounded } from "../base/read-file.ts";
import { decodeUtf8 } from "../base/utf8.ts";
import {
  encodeKnownPrompts,
  type KnownPrompts,
  knownPromptsLimits,
  knownPromptsName,
  parseKnownPrompts,
} from "./known-prompts.ts";

/** Undefined where a generator's folder has none. Throws E_IO, E_LIMIT, E_FORMAT. */
export async function readKnownPrompts(directory: string): Promise<KnownPrompts | undefined> {
  const path = join(directory, knownPromptsName);
  const bytes = await readFileBounded(path, knownPromptsLimits.fileBytes).catch((error: unknown) => {
    if (error instanceof AppError && error.code === "E_NOT_FOUND") return undefined;
    throw error;
  });
  return bytes === undefined ? undefined : parseKnownPrompts(decodeUtf8(bytes, path), path);
}

/** Writes it into a generator's folder. Returns the file's path and size. Throws E_FORMAT, E_LIMIT for what could not be read again. */
export async function writeKnownPrompts(
  directory: string,
  known: KnownPrompts,
): Promise<{ readonly file: string; readonly bytes: number }> {
  const file = join(directory, knownPromptsName);
  const text = encodeKnownPrompts(known);
  parseKnownPrompts(text, file);
  await writeFileAtomic(file, text);
  return { file, bytes: text.length };
}
