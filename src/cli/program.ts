/** @file The program: its commands, its help, and what becomes of errors. */
import { Command, CommanderError, Help, type Option } from "commander";
import { AppError } from "../base/errors.ts";
import { version } from "../base/version.ts";
import { requireDevice } from "../runtime/require-device.ts";
import type { Device } from "../runtime/session.ts";
import { addAdapt } from "./commands/adapt.ts";
import { addBench } from "./commands/bench.ts";
import { addCertify } from "./commands/certify.ts";
import { addChat } from "./commands/chat.ts";
import { addCombine } from "./commands/combine.ts";
import { addDemo } from "./commands/demo.ts";
import { addDeploy } from "./commands/deploy.ts";
import { addEval } from "./commands/eval.ts";
import { addExport } from "./commands/export.ts";
import { addInspect } from "./commands/inspect.ts";
import { addKnownPrompts } from "./commands/known-prompts.ts";
import { addLeakCheck } from "./commands/leak-check.ts";
import { addMerge } from "./commands/merge.ts";
import { addPlot } from "./commands/plot.ts";
import { addQuantize } from "./commands/quantize.ts";
import { addReport } from "./commands/report.ts";
import { addRun } from "./commands/run.ts";
import { addServe } from "./commands/serve.ts";
import { addSpecialize } from "./commands/specialize.ts";
import { addStore } from "./commands/store.ts";
import { addSvd } from "./commands/svd.ts";
import { addTrain } from "./commands/train.ts";
import { addUnmerge } from "./commands/unmerge.ts";
import { addWhy } from "./commands/why.ts";
import type { CliContext } from "./context.ts";
import { printError } from "./output.ts";

/** In the order of the help. */
const commands: readonly ((program: Command, context: CliContext) => void)[] = [
  addDemo,
  addSpecialize,
  addRun,
  addChat,
  addServe,
  addStore,
  addCertify,
  addWhy,
  addLeakCheck,
  addInspect,
  addExport,
  addDeploy,
  addMerge,
  addUnmerge,
  addCombine,
  addQuantize,
  addEval,
  addReport,
  addTrain,
  addKnownPrompts,
  addSvd,
  addAdapt,
  addPlot,
  addBench,
];

const about = `From a system prompt to a specialised small model in one forward pass.

A cloud model reads a system prompt once and answers with gates: a few hundred bytes that
say how to mix experts into a small edge model. The specialised edge model then behaves
as prompted, without the prompt.`;

const firstSteps = `
First steps:
  $ loragen demo                                     see it work on the pair that ships
  $ loragen specialize --prompt-file prompt.txt --out my-task
  $ loragen run --specialization my-task --input "is my table at 8 confirmed?"

Help of a command: loragen COMMAND --help`;

/** Runs one command line (without node and script). Returns the exit status; errors were printed. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const json = args.includes("--json");
  const program = createProgram(context);
  try {
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return printError(context, { json }, error);
    if (error.exitCode === 0) return 0; // help and version were printed
    if (error.code === "commander.help") return 1; // no command was given; the help was printed
    return printError(context, { json }, usageError(error, program, args));
  }
}

/** All commands, bound to a context. */
export function createProgram(context: CliContext): Command {
  const program = new Command("loragen")
    .description(about)
    .version(version, "-v, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand(false)
    .addHelpText("after", firstSteps)
    .exitOverride()
    .configureHelp({
      showGlobalOptions: false,
      optionDescription: (option) => Help.prototype.optionDescription(withDefaultTold(option)),
    })
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      outputError: () => undefined, // runCli prints it
      getOutHelpWidth: () => context.stdout.columns ?? 100,
      getErrHelpWidth: () => context.stderr.columns ?? 100,
      getOutHasColors: () => context.isTerminal.stdout,
    });
  for (const add of commands) add(program, context);
  return program.hook("preAction", async (_, command) => {
    const { device } = command.opts<{ device?: Device }>();
    if (device !== undefined) await requireDevice(device);
  });
}

/** Where there is no default value but words for what happens without the flag, Commander leaves them out. */
function withDefaultTold(option: Option): Option {
  const { defaultValue, defaultValueDescription } = option;
  if (defaultValue !== undefined || defaultValueDescription === undefined) return option;
  return Object.create(option, { defaultValue: { value: defaultValueDescription } }) as Option;
}

/** "error: unknown option '--promt'\n(Did you mean --prompt?)" as this program's error. */
function usageError({ message }: CommanderError, program: Command, args: readonly string[]): AppError {
  const what = message
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ")
    .trim()
    .replace(/\.$/, "");
  const command = program.commands.find((candidate) => candidate.name() === args[0]);
  return new AppError("E_USAGE", `${what}. See: loragen ${command === undefined ? "" : `${command.name()} `}--help`);
}
