/** @file `loragen bench`: runs the benchmarks of a checkout. */
import { spawn } from "node:child_process";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { AppError } from "../../base/errors.ts";
import { maxThreads } from "../../runtime/session.ts";
import type { CliContext } from "../context.ts";
import { jsonOption, wholeNumber } from "../options.ts";
import type { JsonFlag } from "../output.ts";
import { packageRoot } from "../paths.ts";

type Flags = JsonFlag & Readonly<Record<string, string | number | boolean>>;

const examples = `
Benchmarks are part of the repository, not of the installed package.

Examples:
  $ loragen bench                       which ones there are
  $ loragen bench specialize --json
  $ loragen bench train-30m --quick     only shows that it runs`;

export function addBench(program: Command, context: CliContext): void {
  program
    .command("bench")
    .summary("measure speed and memory (in a checkout of the repository)")
    .description("Runs a benchmark of the repository and says whether its limits are met.")
    .argument("[name]", "the benchmark, or all; none: list them")
    .option("--save", "also write bench/results/NAME.json")
    .option("--peer", "also run PyTorch, in turn")
    .addOption(new Option("--pair <dir>", "the pair to measure").default(undefined, "the pair that ships"))
    .option("--quick", "tiny sizes: shows that everything runs, measures nothing")
    .addOption(new Option("--repetitions <n>", "measured rounds").argParser(wholeNumber(1)).default(undefined, "5"))
    .addOption(new Option("--warm-up <n>", "rounds before them").argParser(wholeNumber(0)).default(undefined, "2"))
    .addOption(
      new Option("--threads <n>", "threads per operator")
        .argParser(wholeNumber(1, maxThreads))
        .default(undefined, "one per core"),
    )
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action((name: string | undefined, flags: Flags) => benchCommand(context, name, flags));
}

async function benchCommand(context: CliContext, name: string | undefined, flags: Flags): Promise<void> {
  const root = packageRoot();
  const script = join(root, "bench", "main.ts");
  if (!(await isThere(script)))
    throw new AppError(
      "E_NOT_FOUND",
      `${script} is not there: benchmarks live in the repository; clone it and run: npm run bench -- NAME`,
    );
  const args = name === undefined ? ["--help"] : [name, ...toArguments(flags)];
  const json = flags.json === true;
  const output = await runScript(script, args, root, context, { hold: json });
  if (output.status !== 0)
    throw new AppError("E_RUNTIME", `bench ${name ?? ""}: ended with status ${output.status}; its reason stands above`);
  if (json) context.stdout.write(output.held);
}

/** { warmUp: 2, quick: true } → --warm-up 2 --quick */
const toArguments = (flags: Flags): string[] =>
  Object.entries(flags).flatMap(([name, value]) => {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return value === true ? [flag] : [flag, String(value)];
  });

/** With `hold` stdout is kept until the script has ended well, so that a failed run prints no half result. */
async function runScript(
  script: string,
  args: readonly string[],
  cwd: string,
  context: CliContext,
  { hold }: { readonly hold: boolean },
): Promise<{ readonly status: number | null; readonly held: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", script, ...args], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let held = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (hold) held += text;
    else context.stdout.write(text);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => void context.stderr.write(text));
  const status = await new Promise<number | null>((done, fail) => child.on("error", fail).on("close", done));
  return { status, held };
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
