/** @file The command line under test: as a child process from the built package, or in this process. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { runCli } from "../../src/cli/program.ts";
import { recordingContext } from "./cli-context.ts";

export const root = resolve(import.meta.dirname, "../..");
export const main = join(root, "dist/cli/main.js");

export type Finished = { readonly status: number | null; readonly stdout: string; readonly stderr: string };
type Options = { readonly stdin?: string; readonly env?: Readonly<Record<string, string>> };

/** Builds the package unless the build is newer than every source. Type errors are not its concern. */
export function build(): void {
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
  const newest = Math.max(...sources.map((name) => statSync(join(root, "src", name)).mtimeMs));
  if (existsSync(main) && statSync(main).mtimeMs > newest) return;
  const tsc = join(root, "node_modules/.bin/tsc");
  try {
    execFileSync(tsc, ["-p", "tsconfig.build.json"], { cwd: root, stdio: "pipe" });
  } catch (error) {
    if (!existsSync(main)) throw error;
  }
}

/** Starts `loragen` as a user's shell does; `build` first. */
export function start(args: readonly string[], { stdin = "", env = {} }: Options = {}) {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: root,
    env: { ...process.env, LORAGEN_HOME: join(tmpdir(), "store"), ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => undefined); // it may end without reading
  child.stdin.end(stdin);
  const finished = new Promise<Finished>((done, fail) => {
    child.on("error", fail).on("close", (status) => done({ status, stdout, stderr }));
  });
  return { child, finished };
}

/** Runs a command line to its end in a process of its own. */
export const loragen = (args: readonly string[], options?: Options): Promise<Finished> => start(args, options).finished;

/** The same in this process: no build, no start-up. */
export async function loragenHere(args: readonly string[], { stdin = "" }: Options = {}): Promise<Finished> {
  const { context, written } = recordingContext({ stdin });
  const status = await runCli(args, context);
  return { status, ...written };
}
