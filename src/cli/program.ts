/** @file The program: its commands, its help, and what becomes of errors. */
import { Command, CommanderError, Help, type Option } from "commander";
import { AppError } from "../base/errors.ts";
import { version } from "../base/version.ts";
import { requireDevice } from "../runtime/require-device.ts";
import type { Device } from "../runtime/session.ts";
import type { CliContext } from "./context.ts";
import { printError } from "./output.ts";

type Add = (program: Command, context: CliContext) => void;

/** In the order of the help. A command is loaded alone where it is named: all of them take as long again to load as one. */
const commands: readonly { readonly names: readonly string[]; readonly load: () => Promise<Add> }[] = [
  { names: ["demo"], load: async () => (await import("./commands/demo.ts")).addDemo },
  { names: ["specialize"], load: async () => (await import("./commands/specialize.ts")).addSpecialize },
  { names: ["run"], load: async () => (await import("./commands/run.ts")).addRun },
  { names: ["chat"], load: async () => (await import("./commands/chat.ts")).addChat },
  { names: ["serve", "key"], load: async () => (await import("./commands/serve.ts")).addServe },
  {
    names: ["push", "pull", "list", "diff", "rollback", "store"],
    load: async () => (await import("./commands/store.ts")).addStore,
  },
  { names: ["certify"], load: async () => (await import("./commands/certify.ts")).addCertify },
  { names: ["why"], load: async () => (await import("./commands/why.ts")).addWhy },
  { names: ["leak-check"], load: async () => (await import("./commands/leak-check.ts")).addLeakCheck },
  { names: ["inspect"], load: async () => (await import("./commands/inspect.ts")).addInspect },
  { names: ["export"], load: async () => (await import("./commands/export.ts")).addExport },
  { names: ["deploy"], load: async () => (await import("./commands/deploy.ts")).addDeploy },
  { names: ["merge"], load: async () => (await import("./commands/merge.ts")).addMerge },
  { names: ["unmerge"], load: async () => (await import("./commands/unmerge.ts")).addUnmerge },
  { names: ["combine"], load: async () => (await import("./commands/combine.ts")).addCombine },
  { names: ["quantize"], load: async () => (await import("./commands/quantize.ts")).addQuantize },
  { names: ["eval"], load: async () => (await import("./commands/eval.ts")).addEval },
  { names: ["report"], load: async () => (await import("./commands/report.ts")).addReport },
  { names: ["train"], load: async () => (await import("./commands/train.ts")).addTrain },
  { names: ["known-prompts"], load: async () => (await import("./commands/known-prompts.ts")).addKnownPrompts },
  { names: ["svd"], load: async () => (await import("./commands/svd.ts")).addSvd },
  { names: ["adapt"], load: async () => (await import("./commands/adapt.ts")).addAdapt },
  { names: ["plot"], load: async () => (await import("./commands/plot.ts")).addPlot },
  { names: ["bench"], load: async () => (await import("./commands/bench.ts")).addBench },
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
  const program = await createProgram(context, args[0]);
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

/** What the first word of a command line needs: the command of that name, none for the version, all of them for anything else. */
export async function loadCommands(word: string | undefined): Promise<Add[]> {
  if (word === "--version" || word === "-v") return [];
  const named = commands.filter(({ names }) => names.some((name) => name === word));
  return Promise.all((named.length > 0 ? named : commands).map(({ load }) => load()));
}

/** The program with the commands that a command line needs, bound to a context; with all of them where no first word is given. */
export async function createProgram(context: CliContext, word?: string): Promise<Command> {
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
  for (const add of await loadCommands(word)) add(program, context);
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
