/** @file `loragen bench`: runs the benchmarks of a checkout. */
import { spawn } from "node:child_process";
import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { AppError } from "../../base/errors.ts";
import type { CliContext } from "../context.ts";
import { jsonOption } from "../options.ts";
import type { JsonFlag } from "../output.ts";
import { packageRoot } from "../paths.ts";

const examples = `
Benchmarks are part of the repository, not of the installed package.

Examples:
  $ loragen bench                    which ones there are
  $ loragen bench specialize --json`;

export function addBench(program: Command, context: CliContext): void {
  program
    .command("bench")
    .summary("measure speed and memory (in a checkout of the repository)")
    .description("Runs a benchmark of the repository.")
    .argument("[names...]", "benchmarks to run; none: list them")
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action((names: string[], flags: JsonFlag) => benchCommand(context, names, flags));
}

async function benchCommand(context: CliContext, names: readonly string[], { json }: JsonFlag): Promise<void> {
  const root = packageRoot();
  const script = join(root, "bench", "main.ts");
  if (
    !(await access(script).then(
      () => true,
      () => false,
    ))
  )
    throw new AppError(
      "E_NOT_FOUND",
      `${script} is not there: benchmarks live in the repository; clone it and run: npm run bench -- NAME`,
    );
  const args = ["--import", "tsx", script, ...names, ...(json ? ["--json"] : [])];
  const { status, stdout } = await runChild(
    process.execPath,
    args,
    root,
    (text) => {
      if (!json) context.stdout.write(text);
    },
    (text) => context.stderr.write(text),
  );
  if (status !== 0) throw new AppError("E_RUNTIME", `bench ${names.join(" ")}: ended with status ${status}`);
  if (json) context.stdout.write(stdout);
}

async function runChild(
  command: string,
  args: readonly string[],
  cwd: string,
  onStdout: (text: string) => void,
  onStderr: (text: string) => void,
): Promise<{ readonly status: number | null; readonly stdout: string }> {
  const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    onStdout(text);
  });
  child.stderr.setEncoding("utf8").on("data", onStderr);
  const status = await new Promise<number | null>((done, fail) => child.on("error", fail).on("close", done));
  return { status, stdout };
}
