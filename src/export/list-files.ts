/** @file What an export has written. */
import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";

export type WrittenFile = { readonly name: string; readonly bytes: number };

/** All files under a folder, by name. */
export async function listFiles(directory: string): Promise<WrittenFile[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const names = entries
    .flatMap((entry) => (entry.isFile() ? [relative(directory, join(entry.parentPath, entry.name))] : []))
    .sort();
  return Promise.all(names.map(async (name) => ({ name, bytes: (await stat(join(directory, name))).size })));
}
