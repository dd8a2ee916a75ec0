/** @file The memory of a process: what it needs of its own, and the files of weights that it has mapped. */
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";

/**
 * The largest resident size (VmHWM) in megabytes (10⁶ bytes), or undefined where the system does not tell. Pages of mapped files are among
 * it as far as the system left them in memory: where it takes them back in time, this is less than the weights that were read.
 */
export function peakResidentMb(): number | undefined {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(procFile("status"))?.[1];
  return kilobytes === undefined ? undefined : megabytes(Number(kilobytes));
}

export type MemoryUse = {
  /** The most memory that no file stands behind, in megabytes; null where the system does not tell. */
  readonly ownMb: number | null;
  /** Of files of weights, how much is mapped now, whether its pages are in memory or not. */
  readonly mappedMb: number | null;
};

/**
 * Looks at a process, this one unless another is named, from now on until it ends, 50 times a second from a thread of its own: the system
 * keeps no peak of memory without files.
 */
export function watchMemory(pid: Process = "self"): () => MemoryUse {
  const peakKilobytes = new Int32Array(new SharedArrayBuffer(4));
  const workerData = { peakKilobytes, pattern: ownPattern.source, path: procPath("status", pid) };
  new Worker(watcher, { eval: true, execArgv: [], workerData }).unref();
  return () => {
    const [status, maps] = [procFile("status", pid), procFile("maps", pid)];
    const peak = Math.max(Atomics.load(peakKilobytes, 0), ownKilobytes(status));
    return {
      ownMb: status === "" ? null : megabytes(peak),
      mappedMb: maps === "" ? null : mappedWeightBytes(maps) / 1e6,
    };
  };
}

/** Anonymous, shared and swapped out. */
const ownPattern = /^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB$/gm;

const watcher = `
const { readFileSync } = require("node:fs");
const { peakKilobytes, pattern, path } = require("node:worker_threads").workerData;
function look() {
  let now = 0;
  for (const [, kilobytes] of readFileSync(path, "utf8").matchAll(new RegExp(pattern, "gm"))) now += Number(kilobytes);
  if (now > Atomics.load(peakKilobytes, 0)) Atomics.store(peakKilobytes, 0, now);
}
const timer = setInterval(() => {
  try {
    look();
  } catch {
    clearInterval(timer); // the process has ended, or the system has no such file
  }
}, 20);
`;

/** Of the text of /proc/PID/status: what no file stands behind. */
export const ownKilobytes = (status: string): number =>
  [...status.matchAll(ownPattern)].reduce((sum, [, kilobytes]) => sum + Number(kilobytes), 0);

const mapping = /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) (\S+ \d+) +.*\.(?:safetensors|gguf)(?: \(deleted\))?$/gm;

/** Of the text of /proc/PID/maps: bytes of files of weights, a part that is mapped twice counted once. */
export function mappedWeightBytes(maps: string): number {
  const parts = [...maps.matchAll(mapping)]
    .map(([, from, to, offset, file]) => {
      const start = Number.parseInt(offset!, 16);
      return { file: file!, start, end: start + Number.parseInt(to!, 16) - Number.parseInt(from!, 16) };
    })
    .sort((a, b) => a.start - b.start);
  const counted = new Map<string, number>(); // per file, up to which byte
  let bytes = 0;
  for (const { file, start, end } of parts) {
    const from = Math.max(start, counted.get(file) ?? 0);
    if (end <= from) continue;
    bytes += end - from;
    counted.set(file, end);
  }
  return bytes;
}

const megabytes = (kilobytes: number): number => (kilobytes * 1024) / 1e6;

/** The number of a process, or this one. */
type Process = number | "self";
type ProcFile = "status" | "maps";

const procPath = (name: ProcFile, pid: Process): string => `/proc/${pid}/${name}`;

/** A file of a process under /proc; empty where there is none. */
function procFile(name: ProcFile, pid: Process = "self"): string {
  try {
    return readFileSync(procPath(name, pid), "utf8");
  } catch {
    return "";
  }
}
