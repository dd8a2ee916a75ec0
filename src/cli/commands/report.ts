/** @file `loragen report`: logs of evaluations to tables, scored anew. */
import { type Command, Option } from "commander";
import { AppError } from "../../base/errors.ts";
import { calibrationReport, fitAnswers } from "../../eval/calibration.ts";
import { costsOf } from "../../eval/costs.ts";
import type { LogLine } from "../../eval/log.ts";
import { readLogs } from "../../eval/log-file.ts";
import { summarize } from "../../eval/report.ts";
import { parseScorers, rescored, type ScorerName } from "../../eval/scorers/table.ts";
import { setConfidenceTemperature } from "../../pair/pair-file.ts";
import { type AllowCodeFlag, allowCodeOption, codeRunnerOf } from "../allow-code.ts";
import { describeCalibration } from "../calibration-report.ts";
import type { CliContext } from "../context.ts";
import { describeCosts } from "../cost-report.ts";
import { describeReport } from "../eval-report.ts";
import { markdownTable } from "../markdown-table.ts";
import { jsonOption, wholeNumber } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";
import { formatTable } from "../table.ts";

type Flags = JsonFlag &
  AllowCodeFlag & {
    readonly against?: string;
    readonly scorer?: readonly ScorerName[];
    readonly seed: number;
    readonly markdown?: boolean;
    readonly calibration?: boolean;
    readonly costs?: boolean;
    readonly fitOn?: readonly string[];
    readonly setTemperature?: string;
  };

const examples = `
Examples:
  $ loragen report answers.jsonl
  $ loragen report specialised.jsonl encoder.jsonl --against prompted --markdown
  $ loragen report answers.jsonl --scorer normalized
  $ loragen report answers.jsonl --costs --against prompted-5shot
  $ loragen report test.jsonl --calibration --fit-on validation.jsonl
  $ loragen report written.jsonl --calibration --fit-on written.jsonl --set-temperature my-pair`;

export function addReport(program: Command, context: CliContext): void {
  program
    .command("report")
    .summary("make the tables of evaluations from their logs")
    .description("Scores the answers of logs anew and makes all tables. Nothing is asked again.")
    .argument("<logs...>", "what eval --log wrote")
    .option("--against <method>", "hold every method against this one")
    .addOption(
      new Option("--scorer <names>", "score by these instead of by the tasks' own; the first one counts").argParser(
        (names) =>
          parseScorers(
            names.split(",").map((name) => name.trim()),
            "--scorer",
          ),
      ),
    )
    .addOption(new Option("--seed <n>", "of the confidence intervals").argParser(wholeNumber(0)).default(1))
    .option("--calibration", "whether the probabilities of chosen labels mean what they say, instead of the scores")
    .option("--costs", "what each method needs and costs, instead of the scores; --against: prompted")
    .option("--fit-on <logs...>", "with --calibration: fit a temperature for each method on these logs")
    .option(
      "--set-temperature <pair>",
      "with --fit-on: keep the temperature of labels written by `specialized` in this pair",
    )
    .option("--markdown", "tables in Markdown")
    .addOption(allowCodeOption())
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action((logs: string[], flags: Flags) => reportCommand(context, logs, flags));
}

async function reportCommand(context: CliContext, logs: readonly string[], flags: Flags): Promise<void> {
  const { against, scorer, seed, markdown = false, fitOn = [], setTemperature } = flags;
  if (setTemperature !== undefined && (!flags.calibration || fitOn.length === 0))
    throw new AppError("E_USAGE", "report: expected --calibration and --fit-on with --set-temperature");
  const runCode = await codeRunnerOf(context, flags);
  const read = async (names: readonly string[]) => {
    const lines: LogLine[] = [];
    for (const line of await readLogs(names)) lines.push(await rescored(line, scorer, runCode));
    return lines;
  };
  const lines = await read(logs);
  if (flags.calibration) {
    const known = await read(fitOn);
    const calibration = calibrationReport(lines, known);
    if (setTemperature !== undefined) await setConfidenceTemperature(setTemperature, fitAnswers(known));
    return printResult(context, flags, calibration, () =>
      describeCalibration(calibration, markdown ? markdownTable : formatTable),
    );
  }
  if (flags.costs) {
    const costs = costsOf(lines, against);
    return printResult(context, flags, costs, () => describeCosts(costs, markdown ? markdownTable : formatTable));
  }
  if (fitOn.length > 0) throw new AppError("E_USAGE", "report: expected --calibration with --fit-on");
  const report = summarize(lines, { against, seed });
  printResult(context, flags, report, () =>
    markdown ? describeReport(report, context.colors, markdownTable) : describeReport(report, context.colors),
  );
}
