/** @file `loragen chat`: a conversation in the terminal, answers streamed. */
import { createInterface } from "node:readline";
import type { Command } from "commander";
import { AppError } from "../../base/errors.ts";
import { onInterrupt } from "../../base/interrupt.ts";
import type { ChatTurn } from "../../text/chat-layout.ts";
import type { CliContext } from "../context.ts";
import { formatMs, formatShare } from "../format.ts";
import {
  type AnsweringFlags,
  edgeOptions,
  type Opened,
  openAnswerer,
  samplingOf,
  textPrinter,
} from "../open-answerer.ts";
import { pairOptions, promptOptions, samplingOptions } from "../options.ts";
import { printError } from "../output.ts";
import { specializationOption } from "./run.ts";

type Flags = AnsweringFlags & { readonly remember?: boolean };

const examples = `
Each message is answered by itself, as the pair was trained; --remember keeps what was said before in the context.
Ctrl-C stops an answer, between answers it ends the conversation, as /exit and Ctrl-D do.

Examples:
  $ loragen chat --specialization router
  $ loragen chat --prompt "Answer in capital letters." --remember`;

export function addChat(program: Command, context: CliContext): void {
  const command = program
    .command("chat")
    .summary("talk to the specialised, prompted or base edge model")
    .description("A conversation in the terminal: a line in, an answer out, until /exit.")
    .addOption(specializationOption())
    .option("--remember", "answer with the earlier turns in the context");
  for (const option of [...promptOptions(), ...pairOptions(), ...edgeOptions(), ...samplingOptions()])
    command.addOption(option);
  command.addHelpText("after", examples).action((flags: Flags) => chatCommand(context, flags));
}

async function chatCommand(context: CliContext, flags: Flags): Promise<void> {
  const opened = await openAnswerer(context, flags);
  await using _ = opened.answerer;
  context.stderr.write(`${opened.pair.name}, ${opened.role}. /exit ends.\n`);
  await converse(context, flags, opened);
}

/** Reads lines until /exit or their end. */
async function converse(context: CliContext, flags: Flags, { answerer }: Opened): Promise<void> {
  const sampling = samplingOf(flags);
  const show = textPrinter(context);
  const history: ChatTurn[] = [];
  const isTerminal = context.isTerminal.stdin && context.isTerminal.stdout;
  const lines = createInterface({
    input: context.stdin,
    ...(isTerminal ? { output: process.stdout, prompt: context.stdout.filter(context.colors.bold("> ")) } : {}),
    terminal: isTerminal,
  });
  lines.on("SIGINT", () => process.emit("SIGINT", "SIGINT")); // a terminal's Ctrl-C is a key until here
  let isOver = false;
  const end = () => {
    isOver = true;
    lines.close();
  };
  let interrupt = onInterrupt(end);
  try {
    if (isTerminal) lines.prompt();
    for await (const line of lines) {
      const input = line.trim();
      if (isOver || input === "/exit") break;
      if (input !== "") {
        interrupt.close();
        interrupt = onInterrupt((name) => name === "SIGTERM" && end());
        const turn = { ...sampling, history: flags.remember ? history : [], signal: interrupt.signal, onText: show };
        const answer = await answerer.answer(input, turn).catch((error: unknown) => explain(context, error));
        interrupt.close();
        interrupt = onInterrupt(end);
        context.stdout.write("\n");
        if (answer !== undefined) {
          const { text, ms, confidence } = answer;
          const sure = confidence === undefined ? "" : `, confidence ${formatShare(confidence)}`;
          if (isTerminal) context.stdout.write(`${context.colors.dim(`${formatMs(ms.prefill + ms.decode)}${sure}`)}\n`);
          history.push({ input, output: text });
        }
      }
      if (isTerminal && !isOver) lines.prompt();
    }
  } finally {
    interrupt.close();
    lines.close();
  }
}

/** A message that cannot be answered (too long, say) does not end the conversation. */
function explain(context: CliContext, error: unknown): undefined {
  if (!(error instanceof AppError)) throw error;
  printError(context, {}, error);
}
