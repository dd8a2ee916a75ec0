/** @file Names of what is being written. They tell which process writes it, so that what a killed one left is recognised and removed. */
import { randomBytes } from "node:crypto";
import { lstat, readdir, rm, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isRunning, processSpace, shortHash, startOf } from "./process-identity.ts";

/** Space, number and start of the process, and a random part; or 12 random digits, as they were made before. */
const pattern = /^\.(.+)\.(?:([0-9a-f]{6})([0-9a-f]{8})([0-9a-f]{4})[0-9a-f]{6}|[0-9a-f]{12})\.tmp$/;

/** Whether nothing was written for so long that the writer is gone, where there is no asking for it: on another machine, in another container. */
const silenceMs = 24 * 60 * 60 * 1000;

/** A path beside `path` that nothing has yet. */
export async function temporaryPath(path: string): Promise<string> {
  const { pid } = process;
  const start = shortHash((await startOf(pid)) ?? "", 4);
  const writer = `${await processSpace()}${pid.toString(16).padStart(8, "0")}${start}`;
  return join(dirname(path), `.${basename(path)}.${writer}${randomBytes(3).toString("hex")}.tmp`);
}

/** Whether a file or folder of that name is one being written, or was left by a process that was killed. */
export const isTemporaryName = (name: string): boolean => pattern.test(name);

/** Removes what killed processes left of their attempts to write `path`. */
export const sweepTemporary = (path: string): Promise<void> =>
  sweepFolder(dirname(path), (name) => name === basename(path));

/**
 * The same in a folder that everybody may write into: only regular files of this user are removed, and no folder is walked, for others may
 * have put links into it.
 */
export async function sweepTemporaryFiles(path: string): Promise<void> {
  const folder = dirname(path);
  for (const name of await readdir(folder).catch(() => [])) {
    const match = pattern.exec(name);
    if (match === null || match[1] !== basename(path)) continue;
    const found = await lstat(join(folder, name)).catch(() => undefined);
    if (found === undefined || !found.isFile() || found.uid !== process.getuid?.()) continue;
    if (await isAbandoned(join(folder, name), match)) await unlink(join(folder, name)).catch(() => undefined);
  }
}

/** The same for all names in a folder that are wanted. Says nothing where it cannot: what matters comes next. */
export async function sweepFolder(folder: string, wanted: (name: string) => boolean): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const match = pattern.exec(name);
    if (match === null || !wanted(match[1]!) || !(await isAbandoned(join(folder, name), match))) continue;
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

async function isAbandoned(path: string, [, , space, number, start]: RegExpExecArray): Promise<boolean> {
  if (space !== (await processSpace())) return (await lastChange(path)) < Date.now() - silenceMs;
  const processId = Number.parseInt(number!, 16);
  if (!isRunning(processId)) return true;
  const found = await startOf(processId);
  return found !== undefined && shortHash(found, 4) !== start;
}

/** The time of the newest file in a folder, or of a file; now where it cannot be told. */
async function lastChange(path: string): Promise<number> {
  try {
    const within = await readdir(path, { recursive: true }).catch(() => []);
    const times = await Promise.all([path, ...within.map((name) => join(path, name))].map((one) => lstat(one)));
    return Math.max(...times.map(({ mtimeMs }) => mtimeMs));
  } catch {
    return Date.now();
  }
}
