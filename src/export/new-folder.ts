/** @file Folders that appear complete or not at all. */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AppError } from "../base/errors.ts";
import { ensureFolder } from "../base/folder.ts";
import { ioError } from "../base/io-error.ts";

/**
 * Lets `fill` fill a folder of a temporary name beside `path`, then gives it its name. When anything fails nothing is left, nor when the
 * process ends by `process.exit` before that, as at a second Ctrl-C.
 * @throws E_USAGE where there is something at `path` already; E_IO; whatever `fill` throws, E_INTERRUPTED saying that nothing was written
 */
export async function withNewFolder<T>(path: string, fill: (temporary: string) => Promise<T>): Promise<T> {
  const target = resolve(path);
  await refuseFilled(target, path);
  await ensureFolder(dirname(target));
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);
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
  if (!(error instanceof AppError)) return isSystemError(error) ? ioError(error, "write", path) : error;
  if (error.code !== "E_INTERRUPTED") return error;
  return new AppError(error.code, `${error.message}; nothing was written to ${path}`, { cause: error });
}

/** Tries again where a write is still under way; there is nobody left to tell of a failure. */
function removeNow(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch {}
}

const isSystemError = (error: unknown): boolean => error instanceof Error && "syscall" in error;

async function refuseFilled(target: string, path: string): Promise<void> {
  let found: string[];
  try {
    found = await readdir(target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw ioError(error, "write", path);
  }
  if (found.length > 0)
    throw new AppError("E_USAGE", `${path}: expected a new or empty folder, found ${found.length} files in it`);
}
