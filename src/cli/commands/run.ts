/** @file `loragen run`: one input, one answer. */
import { type Command, Option } from "commander";
import { AppError } from "../../base/errors.ts";
import type { CliContext } from "../context.ts";
import { formatMs, formatShare, plural } from "../format.ts";
import { interruptible } from "../interruptible.ts";
import { type AnsweringFlags, edgeOptions, openAnswerer, samplingOf, textPrinter } from "../open-answerer.ts";
import { jsonOption, pairOptions, promptOptions, readInput, required, samplingOptions } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";

type Flags = AnsweringFlags & JsonFlag & { readonly input?: string };

const examples = `
Without --specialization and without a prompt, the base edge model answers.

Examples:
  $ loragen run --specialization router --input "when is my card payment due"
  $ loragen run --prompt-file router.txt --input "when is my card payment due"     the same, prompted
  $ loragen run --labels "billing,delivery,other" --abstain 0.6 --input "where is my parcel"
  $ loragen run --schema order.schema.json --input "two pizzas to 5 Main St"
  $ echo "when is my card payment due" | loragen run --specialization router --input -`;

export function addRun(program: Command, context: CliContext): void {
  const command = program
    .command("run")
    .summary("answer one input with the specialised, prompted or base edge model")
    .description("Answers one input. The text goes to stdout, what it took to stderr.")
    .option("--input <text>", 'required: the input, "-" for standard input')
    .addOption(specializationOption());
  for (const option of [...promptOptions(), ...pairOptions(), ...edgeOptions(), ...samplingOptions(), jsonOption()])
    command.addOption(option);
  command.addHelpText("after", examples).action((flags: Flags) => runCommand(context, flags));
}

export const specializationOption = () =>
  new Option("--specialization <path>", "folder or file written by `loragen specialize`").conflicts([
    "prompt",
    "promptFile",
  ]);

async function runCommand(context: CliContext, flags: Flags): Promise<void> {
  const given = required(flags.input, "run", "--input TEXT");
  if (given === "-" && flags.promptFile === "-")
    throw new AppError("E_USAGE", "standard input can be the prompt or the input, not both");
  const input = await readInput(context, given);
  const from = context.now();
  const { answerer, role } = await openAnswerer(context, flags);
  await using _ = answerer;
  const load = context.now() - from;
  const onText = flags.json ? undefined : textPrinter(context);
  const answer = await interruptible(context, (signal) =>
    answerer.answer(input, { ...samplingOf(flags), signal, onText }),
  );
  const { text, inputTokens, outputTokens, finish, label, confidence, abstained } = answer;
  const ms = { load, ...answer.ms };
  if (!flags.json) context.stdout.write("\n");
  if (finish === "aborted") throw new AppError("E_INTERRUPTED", `stopped after ${plural(outputTokens, "token")}`);
  printResult(
    context,
    flags,
    { text, label, confidence, abstained, inputTokens, outputTokens, finish, role, ms },
    () => "",
  );
  if (!flags.json)
    context.stderr.write(
      `${role}: ${plural(inputTokens, "token")} in, ${outputTokens} out${finish === "length" ? " (cut at --max-tokens)" : ""}${confidence === undefined ? "" : `; confidence ${formatShare(confidence)}`}; load ${formatMs(load)}, prefill ${formatMs(ms.prefill)}, decode ${formatMs(ms.decode)}\n`,
    );
}
