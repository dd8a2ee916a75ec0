/** @file Files appear complete or not at all: written under a temporary name in the same folder, then renamed. */
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { ioError } from "./io-error.ts";
import { sweepTemporary, temporaryPath } from "./temporary-name.ts";

/** Writes a whole file; a reader sees the old content or the new, never a part. Throws E_IO. */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  await writeAtomic(path, (file) => file.writeFile(content));
}

/**
 * Lets `write` fill a temporary file, flushes it to the disk and renames it to `path`. When anything fails the
 * temporary file is removed, an existing file at `path` stays, and the error is E_IO with the path and the reason. What killed processes left
 * of the same attempt goes first.
 */
export async function writeAtomic(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  await sweepTemporary(path);
  const temporary = await temporaryPath(path);
  try {
    const file = await open(temporary, "wx");
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error is the one to tell
    throw ioError(error, "write", path);
  }
}

/** Makes a rename survive a power cut. Not every system can open or flush a folder: there it is left out. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  if (handle === undefined) return;
  await handle.sync().catch(() => undefined);
  await handle.close();
}
