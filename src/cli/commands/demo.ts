/** @file `loragen demo`: the main job on the pair that ships, measured as it happens. */
import type { Command } from "commander";
import { AppError } from "../../base/errors.ts";
import { createProgress } from "../../base/progress.ts";
import { loadPair } from "../../pair/pair-file.ts";
import type { CliContext } from "../context.ts";
import { describeScenario, describeSummary } from "../demo-print.ts";
import { answerCount, type DemoResult, runDemo } from "../demo-run.ts";
import { demoScenarios } from "../demo-scenarios.ts";
import { summarizeDemo } from "../demo-summary.ts";
import { interruptible } from "../interruptible.ts";
import { jsonOption, type PairFlags, pairOptions } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";

const examples = `
Examples:
  $ loragen demo
  $ loragen demo --threads 1 --json`;

export function addDemo(program: Command, context: CliContext): void {
  const command = program
    .command("demo")
    .summary("see it work: prompts in, specialised models out, side by side")
    .description(
      "Specialises the edge model for a few system prompts and asks it as base, prompted and specialised model.",
    );
  for (const option of [...pairOptions(), jsonOption()]) command.addOption(option);
  command
    .addHelpText("after", examples)
    .action((flags: PairFlags & JsonFlag) => interruptible(context, (signal) => demoCommand(context, flags, signal)));
}

async function demoCommand(context: CliContext, flags: PairFlags & JsonFlag, signal: AbortSignal): Promise<void> {
  const { stderr: stream, now } = context;
  const from = now();
  const pair = await loadPair(flags.pair, { resolveModel: context.resolveModel });
  const load = now() - from;
  const total = answerCount(demoScenarios);
  const progress = createProgress({ stream, isTerminal: context.isTerminal.stderr, total, label: "demo", now });
  let done = 0;
  let results: DemoResult[];
  try {
    results = await runDemo(pair, demoScenarios, {
      threads: flags.threads,
      device: flags.device,
      now,
      signal,
      onAnswer: (scenario) => progress.update(++done, { scenario }),
    });
  } finally {
    progress.finish();
  }
  if (signal.aborted) throw new AppError("E_INTERRUPTED", `stopped after ${done} of ${total} answers`);
  const summary = summarizeDemo(results);
  const ms = { load, total: now() - from };
  printResult(context, flags, { pair: pair.name, scenarios: results, summary, ms }, () =>
    [
      "",
      ...results.map((result, i) => describeScenario(result, i + 1, context)),
      describeSummary(summary, results.length, context.colors),
    ].join("\n"),
  );
}
