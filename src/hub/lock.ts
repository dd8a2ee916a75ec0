/** @file A lock file: while one process writes a download, others keep away from it. A lock whose process is gone is nobody's. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { AppError } from "../base/errors.ts";
import { ioError } from "../base/io-error.ts";

/** Takes the lock at `path` for `what`. Returns how it is released. Throws E_IO where a running process holds it. */
export async function lockDownload(path: string, what: string): Promise<() => Promise<void>> {
  const started = await startOf(process.pid);
  for (let tries = 0; ; tries++) {
    try {
      await writeFile(path, `${process.pid} ${started}`, { flag: "wx" });
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || tries > 0) throw ioError(error, "write", path);
      const holder = await runningHolder(path);
      if (holder !== undefined)
        throw new AppError("E_IO", `${what}: process ${holder} is downloading it; if not, delete ${path}`);
      await rm(path, { force: true });
    }
  }
}

/** The process that holds a lock; undefined where it ended, also where another one has its number by now. */
async function runningHolder(path: string): Promise<number | undefined> {
  const [, id, started] = /^(\d{1,10}) (.*)$/.exec(await readFile(path, "utf8").catch(() => "")) ?? [];
  const processId = Number(id);
  if (id === undefined || processId === 0 || !isRunning(processId)) return undefined;
  return ((await startOf(processId)) ?? started) === started ? processId : undefined;
}

function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * What tells a process from an earlier one of the same number, which in a container is the rule: its start in ticks of this boot. Where the
 * system has no /proc, only this process knows its own start; undefined for others.
 */
async function startOf(processId: number): Promise<string | undefined> {
  try {
    const [boot, stat] = await Promise.all([
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
      readFile(`/proc/${processId}/stat`, "utf8"),
    ]);
    // The second field is the program's name in parentheses, with anything inside; the start is the 22nd.
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return `${boot.trim()} ${ticks}`;
  } catch {
    return processId === process.pid ? String(performance.timeOrigin) : undefined;
  }
}
