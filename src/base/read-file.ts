/** @file Reading regular files: bounded, and never waiting on a pipe or a device that a path may name. */
import { constants, type FileHandle, open } from "node:fs/promises";
import { AppError } from "./errors.ts";
import { ioError } from "./io-error.ts";

/** Opens, uses and closes a regular file of `bytes` bytes. Throws E_NOT_FOUND, E_IO; E_FORMAT for pipes and devices. */
export async function withRegularFile<T>(
  path: string,
  use: (file: FileHandle, bytes: number) => Promise<T>,
): Promise<T> {
  try {
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)); // a pipe must not block here
    try {
      const stat = await file.stat();
      if (stat.isDirectory()) throw new AppError("E_IO", `cannot read ${path}: is a folder, expected a file`);
      if (!stat.isFile()) throw new AppError("E_FORMAT", `${path}: not a regular file`);
      return await use(file, stat.size);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw ioError(error, "read", path);
  }
}

/** A whole file of at most `maxBytes`. Throws as `withRegularFile`, and E_LIMIT. */
export async function readFileBounded(path: string, maxBytes: number): Promise<Uint8Array> {
  return withRegularFile(path, async (file, bytes) => {
    if (bytes > maxBytes) throw new AppError("E_LIMIT", `${path}: ${bytes} bytes, the limit is ${maxBytes} bytes`);
    return file.readFile();
  });
}
