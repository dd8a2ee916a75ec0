/** @file Writing a specialisation over another one: it is done, and said. Over anything else it is refused. */
import { join } from "node:path";
import { Option } from "commander";
import { AppError } from "../base/errors.ts";
import { requireWritable } from "../base/folder.ts";
import {
  readSpecialization,
  type Specialization,
  specializationFileName,
  writeSpecialization,
} from "../pair/specialization-file.ts";
import type { CliContext } from "./context.ts";
import { shortHash } from "./format.ts";

/** `--out` of commands that write one. */
export const specializationOutOption = () =>
  new Option(
    "--out <dir>",
    "required: folder for the specialisation; made if it is not there, an earlier one in it is replaced, saying so",
  );

/**
 * Writes `specialization.json` into a folder; where that replaces one of another prompt, a line on stderr names it.
 * @param clear takes away what is only of the earlier one: after all checks, before anything is written
 * @throws E_USAGE where a file of that name is there that is none
 */
export async function replaceSpecialization(
  { stderr }: Pick<CliContext, "stderr">,
  directory: string,
  specialization: Specialization,
  clear?: () => Promise<void>,
): ReturnType<typeof writeSpecialization> {
  const before = await describePrevious(join(directory, specializationFileName), specialization);
  await clear?.();
  const written = await writeSpecialization(directory, specialization);
  if (before !== undefined) stderr.write(`replaced ${written.file}, ${before}\n`);
  return written;
}

/** Throws what `replaceSpecialization` would refuse a folder by: for looking before models are opened. */
export async function requireReplaceable(directory: string): Promise<void> {
  await describePrevious(join(directory, specializationFileName), {});
  await requireWritable(directory);
}

/** What lies there already; undefined where nothing does, or the same prompt's. Of an anonymous one nobody knows the prompt. */
async function describePrevious(
  file: string,
  { promptHmac }: Pick<Specialization, "promptHmac">,
): Promise<string | undefined> {
  try {
    const found = await readSpecialization(file);
    if (found.promptHmac === undefined || promptHmac === undefined) return "an earlier specialisation";
    return found.promptHmac === promptHmac
      ? undefined
      : `the specialisation of another prompt (keyed hash ${shortHash(found.promptHmac)}…)`;
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "E_IO") throw error;
    if (error.code === "E_NOT_FOUND") return undefined;
    throw new AppError(
      "E_USAGE",
      `${file}: expected a specialisation or nothing to replace, found a file that is none (${error.message}): remove it, or choose another folder`,
      { cause: error },
    );
  }
}
