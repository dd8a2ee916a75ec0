/** @file `loragen eval`: a suite of tasks to a log of questions and answers, and tables of it. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { AppError } from "../../base/errors.ts";
import { createProgress } from "../../base/progress.ts";
import { findConstraint } from "../../constraint/find.ts";
import { type ConstraintSpec, labelsSpec } from "../../constraint/spec.ts";
import { underivable } from "../../data/check-task.ts";
import type { EvalTask } from "../../data/eval-task.ts";
import { readTaskFiles } from "../../data/task-file.ts";
import { describeLeftOut, type Selection } from "../../eval/plan.ts";
import { runEval } from "../../eval/run-eval.ts";
import { scorers, scorersOf } from "../../eval/scorers/table.ts";
import { defaultItems, suites } from "../../eval/tasks/suites.ts";
import { BENCHMARKS, benchmarks } from "../../eval/tasks/table.ts";
import { METHODS, methods, parseMethods } from "../../methods/table.ts";
import { type AllowCodeFlag, allowCodeOption, codeRunnerOf } from "../allow-code.ts";
import { type ConstraintFlags, formOptions, readConstraint } from "../constraint-flags.ts";
import type { CliContext } from "../context.ts";
import { describeReport } from "../eval-report.ts";
import { plural } from "../format.ts";
import { interruptible } from "../interruptible.ts";
import {
  type ExactFlag,
  exactOption,
  jsonOption,
  type PairFlags,
  pairOptions,
  required,
  wholeNumber,
} from "../options.ts";
import { type JsonFlag, printResult, warnOn } from "../output.ts";
import { openSuites } from "../suite-source.ts";

type Flags = PairFlags &
  ExactFlag &
  ConstraintFlags &
  AllowCodeFlag &
  JsonFlag & {
    readonly model?: string;
    readonly findConstraint?: boolean;
    readonly suite?: readonly string[];
    readonly data?: string;
    readonly check?: readonly string[];
    readonly methods: readonly string[];
    readonly only?: RegExp;
    readonly limit?: number;
    readonly seeds?: readonly number[];
    readonly timed: number;
    readonly log?: string;
    readonly logPrompts?: boolean;
    readonly written?: boolean;
    readonly amongLabels?: boolean;
    readonly against?: string;
    readonly swap?: boolean;
  };

const defaultMethods = "base,prompted,prompted-5shot,specialized,sibling-prompt,far-prompt";

const list = (rows: readonly (readonly [string, string])[]): string =>
  rows.map(([name, summary]) => `  ${name.padEnd(26)} ${summary}`).join("\n");

const examples = `
Methods:
${list(METHODS.map((name) => [name, methods[name]("N", "FOLDER").summary]))}

Scorers, named by a task:
${list(Object.entries(scorers).map(([name, { summary }]) => [name, summary]))}

Published tasks, which need --data:
${list(BENCHMARKS.map((name) => [name, benchmarks[name].summary]))}
Their other forms and groups: ${[...suites.keys()].filter((name) => !(BENCHMARKS as readonly string[]).includes(name)).join(", ")}.

A suite is a file of tasks: one JSON object, or JSON lines with one in each line (.jsonl, .jsonl.gz). A task:
{ "name", "stratum"?, "kind"?, "systemPrompt", "siblingPrompt"?, "farPrompt"?, "examples"?: [{ "input", "target" }], "labels"?: [],
"scorer"?, "samples": [{ "input", "target", "choices"?: [] }] }. With labels or choices the likeliest one is the answer; without them
the model writes. A plain NAME is looked for in the suites folders of the pair and of lora-gen.

Examples:
  $ loragen eval --suite task.json
  $ loragen eval --suite suite.jsonl --log answers.jsonl --only "^clinc" --limit 20
  $ loragen eval --suite suite.jsonl --model qwen2.5-0.5b-instruct.gguf --methods prompted,prompted-5shot
  $ loragen eval --suite arc-e piqa --data data --model qwen2.5-0.5b-instruct.gguf --methods base,prompted-5shot
  $ loragen eval --suite suite.jsonl --written --find-constraint --log constrained.jsonl
  $ loragen eval --suite suite.jsonl --among-labels --methods base,specialized
  $ loragen report answers.jsonl --against prompted`;

const parseList = (text: string): string[] => text.split(",").map((name) => name.trim());

export function addEval(program: Command, context: CliContext): void {
  const command = program
    .command("eval")
    .summary("ask a suite of tasks by each method: accuracy, tokens, time")
    .description(
      "Asks the edge model every sample of every task by every method. With --log it goes on where it was stopped.",
    )
    .option("--suite <files...>", "required: tasks, as files or by the name of a suite")
    .option("--data <dir>", "data sets, one folder each, for published tasks")
    .option("--check <files...>", "ask nothing: refuse tasks whose answers cannot be derived from the prompt")
    .addOption(
      new Option("--methods <names>", "separated by commas; left out on tasks that do not allow them")
        .argParser((names) => parseMethods(parseList(names)).map(({ name }) => name))
        .default(parseList(defaultMethods), defaultMethods),
    )
    .addOption(new Option("--only <regex>", "only tasks whose name matches").argParser(parsePattern))
    .addOption(
      new Option("--limit <n>", 'samples per task, or "all"')
        .argParser(sampleCount)
        .default(undefined, `all; of published tasks ${defaultItems}`),
    )
    .addOption(
      new Option(
        "--seeds <list>",
        "each draws samples, examples and controls, or chooses tasks of that seed",
      ).argParser((text) => parseList(text).map(wholeNumber(0))),
    )
    .addOption(
      new Option("--timed <n>", "questions per task and method that are timed, each asked once more")
        .argParser(wholeNumber(0))
        .default(3),
    )
    .option("--log <file>", "write each answer as it comes, as JSON lines; go on where it ends")
    .option("--log-prompts", "keep prompts, and all that a model read, in the log; else their hashes alone")
    .option("--against <method>", "hold every method against this one")
    .addOption(
      new Option(
        "--swap",
        "specialise one session anew for each prompt, as `serve` does: sooner where prompts are many",
      ).conflicts("model"),
    );
  const forms = [writtenOption(), amongLabelsOption(), ...formOptions(), findConstraintOption(), allowCodeOption()];
  for (const option of [modelOption(), ...forms, ...pairOptions(), exactOption(), jsonOption()])
    command.addOption(option);
  command
    .addHelpText("after", examples)
    .action((flags: Flags) =>
      flags.check === undefined
        ? interruptible(context, (signal) => evalCommand(context, flags, signal))
        : checkCommand(context, flags, flags.check),
    );
}

const sampleCount = (text: string): number => (text === "all" ? Number.MAX_SAFE_INTEGER : wholeNumber(1)(text));

const modelOption = () =>
  new Option("--model <dir|file|id>", "a model alone instead of a pair, by its own chat template").conflicts("pair");

const writtenOption = () =>
  new Option("--written", "have answers written that are else chosen from a task's labels by likelihood");

const amongLabelsOption = () =>
  new Option(
    "--among-labels",
    "have a task's labels written token by token among themselves, as `run --labels` does, instead of chosen by likelihood",
  ).conflicts(["labels", "schema", "calls"]);

const findConstraintOption = () =>
  new Option("--find-constraint", "answer as each task's prompt demands, where `specialize` would find that").conflicts(
    ["labels", "schema"],
  );

/** What written answers must be, by every method alike: given once for all tasks, or found in the prompt of each. */
async function constraintOf(flags: Flags): Promise<Selection["constraint"]> {
  const given = await readConstraint(flags);
  if (given) return () => given;
  const { amongLabels, findConstraint: isFound } = flags;
  if (!amongLabels && !isFound) return undefined;
  return (task) =>
    amongLabels && hasOneList(task) ? ownLabels(task) : isFound ? findConstraint(task.systemPrompt)?.spec : undefined;
}

/** Whether all samples are answered by the task's labels: a sample's own choices come before them. */
const hasOneList = ({ labels, samples }: EvalTask): boolean =>
  labels !== undefined && samples.every(({ choices }) => choices === undefined);

/** Throws E_USAGE, naming the task, for labels that no constraint takes. */
function ownLabels({ name, labels }: EvalTask): ConstraintSpec {
  try {
    return labelsSpec(labels!);
  } catch (error) {
    throw new AppError("E_USAGE", `--among-labels: task "${name}": ${(error as Error).message}`);
  }
}

async function evalCommand(context: CliContext, flags: Flags, signal: AbortSignal): Promise<void> {
  const names = required(flags.suite, "eval", "--suite FILE…");
  const { pair, model, data, timed, log, written, amongLabels, ...asked } = flags;
  const { taskFiles, tasks } = await openSuites(names, { pair, data, items: flags.limit, seeds: flags.seeds });
  const constraint = await constraintOf(flags);
  const runCode = await codeRunnerOf(context, flags);
  const { stderr: stream, now } = context;
  let progress: ReturnType<typeof createProgress> | undefined;
  try {
    const report = await runEval({
      ...asked,
      ...(model === undefined ? { pairDirectory: pair } : { modelPath: model }),
      taskFiles,
      tasks,
      ...(log === undefined ? {} : { log }),
      resolveModel: context.resolveModel,
      warn: warnOn(context),
      constraint,
      written: (task) => written === true || (amongLabels === true && hasOneList(task)),
      runCode,
      timedQueries: timed,
      now,
      signal,
      onProgress: ({ done, total, task, method }) => {
        progress ??= createProgress({
          stream,
          isTerminal: context.isTerminal.stderr,
          total,
          label: "eval",
          now,
          start: done,
        });
        progress.update(done, { task, method });
      },
    });
    progress?.finish();
    if (report.leftOut.length > 0) stream.write(`left out: ${describeLeftOut(report.leftOut)}\n`);
    printResult(context, flags, report, () => describeReport(report, context.colors));
  } finally {
    progress?.finish();
  }
}

/** Throws E_DATA, naming the tasks that no reader of their prompts could solve. */
async function checkCommand(context: CliContext, flags: Flags, names: readonly string[]): Promise<void> {
  const { taskFiles, tasks: published } = await openSuites(names, { ...flags, items: flags.limit });
  const tasks = [...(await readTaskFiles(taskFiles)), ...published];
  const refused = tasks.flatMap((task) => {
    const faults = [...checkScorers(task), ...underivable(task)];
    return faults.length === 0
      ? []
      : [`task "${task.name}": ${faults.slice(0, 5).join("; ")}${faults.length > 5 ? "; …" : ""}`];
  });
  if (refused.length > 0)
    throw new AppError(
      "E_DATA",
      `${refused.length} of ${plural(tasks.length, "task")} refused:\n${refused.join("\n")}`,
    );
  printResult(
    context,
    flags,
    { tasks: tasks.length },
    () => `${plural(tasks.length, "task")}: every answer can be derived`,
  );
}

function checkScorers(task: EvalTask): string[] {
  try {
    scorersOf(task);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
