/** @file `loragen demo`: the main job on the pair that ships, measured as it happens. */
import type { Command } from "commander";
import { AppError } from "../../base/errors.ts";
import { createProgress } from "../../base/progress.ts";
import { loadPair } from "../../pair/pair-file.ts";
import type { CliContext } from "../context.ts";
import { describeScenario, describeSummary } from "../demo-print.ts";
import { answerCount, type DemoResult, runDemo } from "../demo-run.ts";
import { demoFileOf, readDemoScenarios } from "../demo-scenarios.ts";
import { summarizeDemo } from "../demo-summary.ts";
import { interruptible } from "../interruptible.ts";
import { jsonOption, type PairFlags, pairOptions } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";

const examples = `
Examples:
  $ loragen demo
  $ loragen demo --threads 1 --json
  $ loragen demo --pair my-pair --prompts my-prompts.json`;

type DemoFlags = PairFlags & JsonFlag & { readonly prompts?: string; readonly constraint: boolean };

export function addDemo(program: Command, context: CliContext): void {
  const command = program
    .command("demo")
    .summary("see it work: prompts in, specialised models out, side by side")
    .description(
      "Specialises the edge model for a few system prompts and asks it as base, prompted and specialised model.",
    );
  for (const option of [...pairOptions(), jsonOption()]) command.addOption(option);
  command
    .option("--prompts <file>", "prompts, inputs and expected answers (default: demo.json of the pair)")
    .option("--no-constraint", "answers are free text, also where a prompt names their form")
    .addHelpText("after", examples)
    .action((flags: DemoFlags) => interruptible(context, (signal) => demoCommand(context, flags, signal)));
}

async function demoCommand(context: CliContext, flags: DemoFlags, signal: AbortSignal): Promise<void> {
  const { stderr: stream, now } = context;
  const scenarios = await readDemoScenarios(flags.prompts ?? demoFileOf(flags.pair));
  const from = now();
  const pair = await loadPair(flags.pair, { resolveModel: context.resolveModel });
  const load = now() - from;
  const total = answerCount(scenarios);
  const progress = createProgress({ stream, isTerminal: context.isTerminal.stderr, total, label: "demo", now });
  let done = 0;
  let results: DemoResult[];
  try {
    results = await runDemo(pair, scenarios, {
      threads: flags.threads,
      device: flags.device,
      now,
      signal,
      constrain: flags.constraint,
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
