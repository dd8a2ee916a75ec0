/** @file One folder for everything temporary that tests write, removed when the last of them has ended. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

/** Short: Chromium puts sockets into it, whose paths may have 107 bytes. */
const prefix = "loragen-";
/** What `os.tmpdir` looks at, on every system. */
const names = ["TMPDIR", "TEMP", "TMP"] as const;

/**
 * Run before the workers start, which inherit the environment; once for every project of tests, of which the first makes the folder.
 * Returns what runs behind them.
 */
export function setup(): (() => void) | undefined {
  if (basename(tmpdir()).startsWith(prefix)) return undefined;
  const folder = mkdtempSync(join(tmpdir(), prefix));
  for (const name of names) process.env[name] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
