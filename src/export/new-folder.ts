/** @file Folders that appear complete or not at all. */
import { rmSync } from "node:fs";
import { lstat, mkdir, readdir, realpath, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { AppError } from "../base/errors.ts";
import { ensureFolder, requireWritable } from "../base/folder.ts";
import { ioError } from "../base/io-error.ts";
import { sweepTemporary, temporaryPath } from "../base/temporary-name.ts";

/**
 * Lets `fill` fill a folder of a temporary name beside `path`, then gives it its name. When anything fails nothing is left, nor when the
 * process ends by `process.exit` before that, as at a second Ctrl-C. What killed processes left of the same attempt goes first.
 * @throws E_USAGE where there is something at `path` already, or what cannot be replaced; E_IO; whatever `fill` throws, E_INTERRUPTED saying that nothing was written
 */
export async function withNewFolder<T>(path: string, fill: (temporary: string) => Promise<T>): Promise<T> {
  const target = await findTarget(path);
  await ensureFolder(dirname(target));
  await sweepTemporary(target);
  const temporary = await temporaryPath(target);
  const atExit = () => removeNow(temporary);
  process.once("exit", atExit);
  try {
    await mkdir(temporary);
    const result = await fill(temporary);
    await rmdir(target).catch(() => undefined); // an empty one may be there
    await rename(temporary, target);
    return result;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined); // the first error is the one to tell
    throw toldOf(path, error);
  } finally {
    process.off("exit", atExit);
  }
}

function toldOf(path: string, error: unknown): unknown {
  if (!(error instanceof AppError)) return ioError(error, "write", path);
  if (error.code !== "E_INTERRUPTED") return error;
  return new AppError(error.code, `${error.message}; nothing was written to ${path}`, { cause: error });
}

/** Tries again where a write is still under way; there is nobody left to tell of a failure. */
function removeNow(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch {}
}

/** Throws what `withNewFolder` would refuse a path by: for looking before models are opened. */
export async function requireNewFolder(path: string): Promise<void> {
  await requireWritable(dirname(await findTarget(path)));
}

/** Where the folder goes, behind any link. What could not take its name in the end is refused before the work. */
async function findTarget(path: string): Promise<string> {
  const given = resolve(path);
  try {
    if ((await lstat(given).catch(() => undefined)) === undefined) return given;
    const target = await realpath(given);
    const found = await readdir(target);
    if (found.length > 0)
      throw new AppError("E_USAGE", `${path}: expected a new or empty folder, found ${found.length} files in it`);
    if ((await stat(target)).dev !== (await stat(dirname(target))).dev)
      throw new AppError(
        "E_USAGE",
        `${path}: is where a file system is mounted, which no folder can replace: expected a folder in it`,
      );
    return target;
  } catch (error) {
    throw ioError(error, "write", path);
  }
}

export type WrittenFile = { readonly name: string; readonly bytes: number };

/** All files under a folder, by name. */
export async function listFiles(directory: string): Promise<WrittenFile[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const names = entries
    .flatMap((entry) => (entry.isFile() ? [relative(directory, join(entry.parentPath, entry.name))] : []))
    .sort();
  return Promise.all(names.map(async (name) => ({ name, bytes: (await stat(join(directory, name))).size })));
}
