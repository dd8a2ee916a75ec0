/** @file Memory that a measurement may take on a machine that others use too. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { freemem } from "node:os";
import type { MemoryUse } from "../support/memory.ts";
import type { Answer } from "../support/worker.ts";

/** Asks the system to end a process, this one unless another is named, before any other where memory runs out. Without effect where it takes no such wish. */
export function goFirst(pid: number | "self" = "self"): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, "1000");
  } catch {
    // not Linux, or not allowed
  }
}

/** Bytes that can be had without swapping, the page cache among them. */
export function availableBytes(): number {
  try {
    const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
    return kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
  } catch {
    return freemem();
  }
}

/** Waits until files just written are on the disk: writing them back would slow down what is measured. Without effect where there is no `sync`. */
export const flushFiles = (): void => void spawnSync("sync");

/** What a process needed of its own at most, and the weights it had mapped; nothing where the system does not tell. */
export const memoryValues = ({ ownMb, mappedMb }: Answer | MemoryUse, prefix = ""): Record<string, number> =>
  typeof ownMb === "number" && typeof mappedMb === "number"
    ? { [`${prefix}own MB`]: ownMb, [`${prefix}mapped MB`]: mappedMb }
    : {};
