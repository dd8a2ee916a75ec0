/** @file One folder for everything temporary that tests write, removed when the last of them has ended. */
import { accessSync, constants, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { freemem, tmpdir } from "node:os";
import { basename, join } from "node:path";

/** Short: Chromium puts sockets into it, whose paths may have 107 bytes. */
const prefix = "loragen-";
/** What `os.tmpdir` looks at, on every system. */
const names = ["TMPDIR", "TEMP", "TMP"] as const;

/** A folder in memory on Linux: tests write some hundred thousand small files, which on a disk takes half as long again. */
const inMemory = "/dev/shm";
/** Tests hold some gigabytes of models at a time. */
const roomBytes = 8 * 2 ** 30;

function hasRoom(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= roomBytes && freemem() >= 2 * roomBytes;
  } catch {
    return false;
  }
}

/**
 * Run before the workers start, which inherit the environment; once for every project of tests, of which the first makes the folder.
 * Returns what runs behind them.
 */
export function setup(): (() => void) | undefined {
  if (basename(tmpdir()).startsWith(prefix)) return undefined;
  const folder = mkdtempSync(
    join(process.env["TMPDIR"] === undefined && hasRoom(inMemory) ? inMemory : tmpdir(), prefix),
  );
  for (const name of names) process.env[name] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
