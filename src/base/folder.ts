/** @file Folders that results are written into. */
import { mkdir } from "node:fs/promises";
import { ioError } from "./io-error.ts";

/** Makes a folder and those above it. Throws E_IO saying which and why. */
export async function ensureFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw ioError(error, "write", path);
  }
}
