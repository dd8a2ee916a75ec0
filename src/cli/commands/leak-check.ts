/** @file `loragen leak-check`: whether a pair's gates give away digits and names of the prompts they were predicted from. */
import { type Command, Option } from "commander";
import { requireRunning } from "../../base/interrupt.ts";
import { createProgress } from "../../base/progress.ts";
import { createRng } from "../../base/rng.ts";
import { loadPair } from "../../pair/pair-file.ts";
import { createSpecializer } from "../../pair/specialize.ts";
import type { Attack } from "../../server/trust/attacker.ts";
import {
  type Coarser,
  canaries,
  type LeakReport,
  leakLimits,
  leakReport,
  plantedPrompts,
} from "../../server/trust/leak-check.ts";
import type { CliContext } from "../context.ts";
import { percent } from "../format.ts";
import { interruptible } from "../interruptible.ts";
import { type ExactFlag, exactOption, jsonOption, type PairFlags, pairOptions, wholeNumber } from "../options.ts";
import { type JsonFlag, printResult, warnOn } from "../output.ts";
import { formatTable } from "../table.ts";

type Flags = PairFlags & JsonFlag & ExactFlag & { readonly prompts: number; readonly seed: number };

const examples = `
Prompts of eight kinds are specialised, a random digit and a random name in each. An attacker is trained on the gates of
some and asked about others. It must be able to name the kind: else it shows nothing that it does not find the canaries.

Examples:
  $ loragen leak-check
  $ loragen leak-check --pair my-pair --prompts 2000 --json`;

export function addLeakCheck(program: Command, context: CliContext): void {
  const command = program
    .command("leak-check")
    .summary("try to read digits and names of prompts from their gates")
    .description("Plants canaries in prompts, and trains an attacker to read them from the gates.");
  const options = [
    new Option("--prompts <n>", "prompts that are specialised")
      .argParser(wholeNumber(40, leakLimits.mostPrompts))
      .default(leakLimits.prompts),
    new Option("--seed <n>", "of prompts and attacker").argParser(wholeNumber(0)).default(1),
    ...pairOptions(),
    exactOption(),
    jsonOption(),
  ];
  for (const option of options) command.addOption(option);
  command
    .addHelpText("after", examples)
    .action((flags: Flags) => interruptible(context, (signal) => run(context, flags, signal)));
}

async function run(context: CliContext, flags: Flags, signal: AbortSignal): Promise<void> {
  const { resolveModel, stderr: stream, now, isTerminal } = context;
  const rng = createRng(`leak check ${flags.seed}`);
  const prompts = plantedPrompts(flags.prompts, rng.split("prompts"));
  const pair = await loadPair(flags.pair, { exact: flags.exact, resolveModel, warn: warnOn(context) });
  await using specializer = await createSpecializer(pair, flags);
  const gates: number[][] = [];
  const total = prompts.length;
  const progress = createProgress({ stream, isTerminal: isTerminal.stderr, total, label: "leak check", now });
  try {
    for (const { text } of prompts) {
      requireRunning(signal, "leak check: interrupted");
      gates.push((await specializer.specialize(text)).gates.flat());
      progress.update(gates.length, {});
    }
  } finally {
    progress.finish();
  }
  const report = leakReport(prompts, gates, rng.split("attack"));
  printResult(context, flags, { seed: flags.seed, ...report }, () => describe(report));
}

const coarserTitles: { readonly [K in Coarser]: string } = {
  quarters: "gates rounded to quarters",
  chosen: "which experts alone",
};

function describe({ prompts, attacks, coarser, leaks, canAttack }: LeakReport): string {
  const row = (what: string, { share, low, high, chance, p }: Attack): string[] => [
    what,
    `${percent(share)} [${percent(low)}, ${percent(high)}]`,
    percent(chance),
    p.toPrecision(2),
  ];
  const verdict = !canAttack
    ? `The attacker names the kind of a prompt in less than ${percent(leakLimits.control)} %: what it does not find shows nothing.`
    : leaks.length === 0
      ? "No canary was found more often than by chance."
      : `Found more often than by chance: ${leaks.join(", ")}.`;
  return [
    `${prompts} prompts; an attacker was trained on the gates of ${attacks.kind.trained} and asked about ${attacks.kind.asked}; 95 % intervals`,
    formatTable(
      [
        { title: "" },
        { title: "named, %", align: "right" },
        { title: "by chance, %", align: "right" },
        { title: "p", align: "right" },
      ],
      [
        ...canaries.map((canary) => row(canary, attacks[canary])),
        ...(Object.keys(coarserTitles) as Coarser[]).flatMap((kind) =>
          canaries.map((canary) => row(`${canary}, ${coarserTitles[kind]}`, coarser[kind][canary])),
        ),
      ],
    ),
    verdict,
  ].join("\n");
}
