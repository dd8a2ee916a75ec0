/** @file The peers in Python, PyTorch and llama.cpp: their virtual environment, made when first asked for, and their processes. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { BenchOptions } from "./bench.ts";
import { runCommand } from "./command.ts";
import { projectRoot } from "./machine.ts";
import { cacheFolder } from "./problem.ts";
import { startWorker, type Worker } from "./worker.ts";

const scripts = join(projectRoot, "bench/peers");
const environment = join(cacheFolder, "venv");
const python = join(environment, "bin/python");

type Package = { readonly requirements: string; readonly cost: string };

const packages = {
  PyTorch: { requirements: "requirements.txt", cost: "several GB" },
  "llama.cpp": { requirements: "llama-cpp.txt", cost: "some minutes of compiling" },
} as const satisfies Readonly<Record<string, Package>>;
type PackageName = keyof typeof packages;

/** Starts a peer's script on a problem, which it gets as JSON. Installs what it needs where that is missing. */
export async function startPeer(
  script: string,
  name: PackageName,
  problem: object,
  { threads, peer, log }: Pick<BenchOptions, "threads" | "peer" | "log">,
): Promise<{ worker: Worker; description: string }> {
  await requirePackage(name, log);
  const { worker, ready } = await startWorker(
    python,
    ["-B", join(scripts, script), JSON.stringify(problem), String(threads), peer],
    {
      OMP_NUM_THREADS: String(threads),
      MKL_NUM_THREADS: String(threads),
    },
  );
  return { worker, description: String(ready["description"]) };
}

async function requirePackage(name: PackageName, log: BenchOptions["log"]): Promise<void> {
  const { requirements, cost } = packages[name];
  const install = ["-m", "pip", "install", "--quiet", "-r", join(scripts, requirements)];
  // Without an index it succeeds only where every package is there in the wanted version.
  const isThere = await runCommand(python, [...install, "--no-index", "--dry-run"]).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  log(`peer: installing ${name} into ${environment} (${cost}, once)`);
  await mkdir(cacheFolder, { recursive: true });
  await runCommand("python3", ["-m", "venv", environment]);
  await runCommand(python, install);
}
