/** @file One folder for everything temporary that tests write, removed when the last of them has ended. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What `os.tmpdir` looks at, on every system. */
const names = ["TMPDIR", "TEMP", "TMP"] as const;

/** Run before the workers start, which inherit the environment. Returns what runs behind them. */
export function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "loragen-tests-"));
  for (const name of names) process.env[name] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
