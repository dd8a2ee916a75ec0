/** @file `loragen eval`: task files to accuracies, tokens and milliseconds by method. */
import { type Command, Option } from "commander";
import { onInterrupt } from "../../base/interrupt.ts";
import { createProgress } from "../../base/progress.ts";
import { METHODS, type MethodName, methods, parseMethods } from "../../eval/methods.ts";
import { runEval } from "../../eval/run-eval.ts";
import type { EvalCell, EvalReport } from "../../eval/summarize.ts";
import type { CliContext } from "../context.ts";
import { formatMs } from "../format.ts";
import { jsonOption, type PairFlags, pairOptions, required, wholeNumber } from "../options.ts";
import { type JsonFlag, printResult, warnOn } from "../output.ts";
import { formatTable } from "../table.ts";
import type { Colors } from "../terminal.ts";

type Flags = PairFlags &
  JsonFlag & {
    readonly taskFile?: readonly string[];
    readonly methods: readonly MethodName[];
    readonly limit?: number;
    readonly seed: number;
  };

const defaultMethods = "base,prompted,prompted-5shot,specialized,wrong-prompt";

const examples = `
Methods:
${METHODS.map((name) => `  ${name.padEnd(28)} ${methods[name].summary}`).join("\n")}

A task file is JSON: { "name", "systemPrompt", "examples"?: [{ "input", "target" }],
"samples": [{ "input", "target", "choices"?: [] }] }. With choices the one of the highest likelihood is the answer;
without them the greedy answer must equal the target.

Examples:
  $ loragen eval --task-file task.json
  $ loragen eval --task-file tasks/*.json --methods base,prompted,specialized
  $ loragen eval --task-file router.json slots.json --limit 50 --json`;

export function addEval(program: Command, context: CliContext): void {
  const command = program
    .command("eval")
    .summary("measure accuracy, tokens and time of each method on task files")
    .description("Asks the edge model every sample of every task by every method.")
    .option("--task-file <files...>", "required: the tasks")
    .addOption(
      new Option("--methods <names>", "separated by commas; of the default those that the tasks allow")
        .argParser((names) => parseMethods(names.split(",").map((name) => name.trim())))
        .default(parseMethods(defaultMethods.split(",")), defaultMethods),
    )
    .addOption(new Option("--limit <n>", "samples per task, the first ones").argParser(wholeNumber(1)))
    .addOption(new Option("--seed <n>", "of the confidence intervals").argParser(wholeNumber(0)).default(1));
  for (const option of [...pairOptions(), jsonOption()]) command.addOption(option);
  command.addHelpText("after", examples).action((flags: Flags) => {
    const leaveOut = command.getOptionValueSource("methods") === "default";
    return evalCommand(context, flags, { leaveOut });
  });
}

/** With `leaveOut`, methods that the tasks do not allow are named on stderr rather than refused. */
async function evalCommand(context: CliContext, flags: Flags, { leaveOut }: { leaveOut: boolean }): Promise<void> {
  const taskFiles = required(flags.taskFile, "eval", "--task-file FILE…");
  const { pair: pairDirectory, methods, threads, device, limit, seed } = flags;
  const { stderr: stream, now } = context;
  const interrupt = onInterrupt();
  let progress: ReturnType<typeof createProgress> | undefined;
  try {
    const report = await runEval({
      pairDirectory,
      taskFiles,
      resolveModel: context.resolveModel,
      warn: warnOn(context),
      methods,
      leaveOut,
      threads,
      device,
      seed,
      ...(limit === undefined ? {} : { limit }),
      now,
      signal: interrupt.signal,
      onProgress: ({ done, total, task, method }) => {
        progress ??= createProgress({ stream, isTerminal: context.isTerminal.stderr, total, label: "eval", now });
        progress.update(done, { task, method });
      },
    });
    progress?.finish();
    if (report.leftOut !== undefined) stream.write(`left out: ${describeLeftOut(report.leftOut)}\n`);
    printResult(context, flags, report, () => describeReport(report, context.colors));
  } finally {
    progress?.finish();
    interrupt.close();
  }
}

const describeLeftOut = (leftOut: NonNullable<EvalReport["leftOut"]>): string =>
  Object.entries(leftOut)
    .map(([method, reason]) => `${method} (${reason})`)
    .join(", ");

const percent = (share: number): string => (100 * share).toFixed(1);
const withError = ({ accuracy, stderr }: EvalCell): string =>
  Number.isFinite(stderr) ? `${percent(accuracy)} ± ${percent(stderr)}` : percent(accuracy);

/** Accuracy by task and method in percent, what each method costs, and the differences to the specialised model. */
export function describeReport({ tasks, mean, comparisons }: EvalReport, colors: Colors): string {
  const names = Object.keys(mean) as MethodName[];
  const right = { align: "right" } as const;
  const accuracies = formatTable(
    [{ title: "accuracy, %", maxWidth: 40 }, { title: "n", ...right }, ...names.map((title) => ({ title, ...right }))],
    [
      ...Object.entries(tasks).map(([task, cells]) => [
        task,
        String(cells[names[0]!]!.n),
        ...names.map((name) => withError(cells[name]!)),
      ]),
      ...(Object.keys(tasks).length === 1
        ? []
        : [
            ["mean of tasks", "", ...names.map((name) => withError(mean[name]!))].map((text) => ({
              text,
              paint: colors.bold,
            })),
          ]),
    ],
  );
  const costs = formatTable(
    [{ title: "per query" }, { title: "tokens in", ...right }, { title: "time", ...right }],
    names.map((name) => {
      const { inputTokens, msPerQuery } = mean[name]!;
      return [name, inputTokens.toFixed(1), msPerQuery === null ? "" : formatMs(msPerQuery)];
    }),
  );
  const differences = Object.entries(comparisons).map(([name, { difference, low, high }]) => [
    name.replace("-vs-", " − "),
    `${signed(difference)} points`,
    `[${signed(low)}, ${signed(high)}]`,
  ]);
  const parts = [accuracies, costs];
  if (differences.length > 0)
    parts.push(
      formatTable(
        [{ title: "difference" }, { title: "mean", ...right }, { title: "95 % interval", ...right }],
        differences,
      ),
    );
  return parts.join("\n\n");
}

const signed = (share: number): string => `${share < 0 ? "−" : "+"}${percent(Math.abs(share))}`;
