/** @file Which process wrote something, and whether it still runs. Its number alone does not tell: numbers are given again, in a container always the same ones. */
import { createHash } from "node:crypto";
import { readFile, readlink } from "node:fs/promises";
import { hostname } from "node:os";

/** Whether a process of that number runs here. */
export function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * What tells a process from an earlier one of the same number: its start in ticks of this boot. Where the system has no /proc, only this
 * process knows its own start; undefined for others, and for those that do not run.
 */
export async function startOf(processId: number): Promise<string | undefined> {
  try {
    const [boot, stat] = await Promise.all([bootId(), readFile(`/proc/${processId}/stat`, "utf8")]);
    // The second field is the program's name in parentheses, with anything inside; the start is the 22nd.
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return `${boot} ${ticks}`;
  } catch {
    return processId === process.pid ? String(performance.timeOrigin) : undefined;
  }
}

/** Where process numbers mean what they mean here: this boot of this machine, within this container. 6 hexadecimal digits. */
export async function processSpace(): Promise<string> {
  const space = await Promise.all([bootId(), readlink("/proc/self/ns/pid")]).catch(() => [hostname()]);
  return shortHash(space.join(" "), 6);
}

/** The first hexadecimal digits of a text's hash. */
export const shortHash = (text: string, digits: number): string =>
  createHash("sha256").update(text).digest("hex").slice(0, digits);

const bootId = async (): Promise<string> => (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
