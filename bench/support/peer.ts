/** @file The peers in Python, PyTorch and llama.cpp: their virtual environment, made when first asked for, and their processes. */
import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../../src/base/errors.ts";
import type { BenchOptions } from "./bench.ts";
import { projectRoot } from "./machine.ts";
import { cacheFolder } from "./problem.ts";
import { keptErrorChars, startWorker, type Worker } from "./worker.ts";

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
  const isThere = await command(python, [...install, "--no-index", "--dry-run"]).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  log(`peer: installing ${name} into ${environment} (${cost}, once)`);
  await mkdir(cacheFolder, { recursive: true });
  await command("python3", ["-m", "venv", environment]);
  await command(python, install);
}

function command(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-keptErrorChars);
    });
    child.on("error", (cause) => reject(new AppError("E_RUNTIME", `${program}: ${cause.message}`, { cause })));
    child.on("close", (code) =>
      code === 0
        ? resolve()
        : reject(new AppError("E_RUNTIME", `${program} ${args.join(" ")}: ended with ${code}\n${errors.trim()}`)),
    );
  });
}
