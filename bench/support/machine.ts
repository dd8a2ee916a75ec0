/** @file Where and with what a measurement was made. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";
import { join, resolve } from "node:path";

export const projectRoot = resolve(import.meta.dirname, "../..");

const git = (...args: string[]): string =>
  execFileSync("git", args, { cwd: projectRoot, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();

function packageVersion(name: string): string {
  const path = join(projectRoot, "node_modules", name, "package.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}

/** Behind the commit of code that is not quite it. */
export const changedMark = " (changed)";

/** The commit, marked where the measured code differs from it; "unknown" outside a checkout. */
function commit(): string {
  try {
    return (
      git("rev-parse", "HEAD") +
      (git("status", "--porcelain", "--", "src", "bench/*.ts", "bench/peers") === "" ? "" : changedMark)
    );
  } catch {
    return "unknown";
  }
}

/** Milliseconds that the processors have worked for this process, all threads together: what others do on the machine counts least. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Everything a reader needs to place the numbers. `load` is the machine's load average before the run. */
export const describeMachine = () => ({
  date: new Date().toISOString(),
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: availableParallelism(),
  memoryGb: Math.round(totalmem() / 1e8) / 10,
  os: `${type()} ${release()}`,
  node: process.version,
  onnxruntime: packageVersion("onnxruntime-node"),
  commit: commit(),
  load: loadavg()[0]!,
});
