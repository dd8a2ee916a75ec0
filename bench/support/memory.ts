/** @file The most memory a process ever held, mapped files included. */
import { readFileSync } from "node:fs";

/** VmHWM in megabytes (10⁶ bytes), or undefined where the system does not tell. */
export function peakResidentMb(): number | undefined {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return kilobytes === undefined ? undefined : (Number(kilobytes) * 1024) / 1e6;
  } catch {
    return undefined;
  }
}
