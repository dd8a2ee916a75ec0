/** @file What a method reads from a path, as one hash: by it a log notices that a file changed under its name. */
import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { sha256 } from "../base/hash.ts";
import { sha256File } from "../base/hash-file.ts";
import { specializationFileName } from "../pair/specialization-file.ts";

/** Files that hold what was trained or made; checkpoints of a run that goes on are none of them. */
const isLearned = (name: string): boolean =>
  name.endsWith(".safetensors") || name === "adapter_config.json" || name === specializationFileName;
const isSkipped = (name: string): boolean => name.startsWith(".") || name === "checkpoints";
/** Folders within folders that are looked into: NAME/adapter of a folder of runs. */
const maxDepth = 2;
const maxFiles = 1000;

/** Of a file, or of the files with trained numbers in a folder, by their names; undefined where there is nothing. */
export async function contentHash(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return sha256File(path);
  const files = found?.isDirectory() ? (await learnedFiles(path, maxDepth)).slice(0, maxFiles) : [];
  if (files.length === 0) return undefined;
  const lines: string[] = [];
  for (const file of files) lines.push(`${relative(path, file)} ${await sha256File(file)}`);
  return sha256(lines.join("\n"));
}

async function learnedFiles(folder: string, depth: number): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const files: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (isSkipped(entry.name)) continue;
    if (entry.isFile() && isLearned(entry.name)) files.push(path);
    if (entry.isDirectory() && depth > 0) files.push(...(await learnedFiles(path, depth - 1)));
  }
  return files;
}
