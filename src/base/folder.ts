/** @file Folders that results are written into. */
import { access, constants, mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { AppError } from "./errors.ts";
import { ioError } from "./io-error.ts";

/**
 * Makes a folder and those above it, level by level below the nearest that is there: Node's recursive `mkdir` never returns where the system
 * answers "not found" under a folder that exists, as /proc does.
 * @throws E_IO saying which and why
 */
export async function ensureFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let folder = resolve(path); !(await isFolder(folder)); folder = dirname(folder)) {
    if (folder === missing[0]) break; // the root itself is not there
    missing.unshift(folder);
  }
  for (const folder of missing) await makeFolder(folder);
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await isFolder(path))) return; // another process was quicker
    if (code === "ENOENT")
      throw new AppError("E_IO", `cannot write ${path}: no folder can be made in ${dirname(path)}`, { cause: error });
    throw ioError(error, "write", path);
  }
}

/**
 * Looks at the nearest folder that is there whether `ensureFolder` could make one at `path`, and files be made in it:
 * for looking before the work. Nothing is made.
 * @throws E_IO saying which and why
 */
export async function requireWritable(path: string): Promise<void> {
  let nearest = resolve(path);
  while (!(await isThere(nearest)) && nearest !== dirname(nearest)) nearest = dirname(nearest);
  if (!(await isFolder(nearest))) throw new AppError("E_IO", `cannot write ${nearest}: is a file, expected a folder`);
  try {
    await access(nearest, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw ioError(error, "write", path);
  }
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Whether there is a folder at a path. */
export const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
