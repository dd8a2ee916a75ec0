/** @file `loragen train`: a configuration file to a trained model or generator. */
import type { Command } from "commander";
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { readJsonFile } from "../../base/json-file.ts";
import { streamLogger } from "../../base/log.ts";
import { createProgress } from "../../base/progress.ts";
import { requireDevice } from "../../runtime/require-device.ts";
import { recipes } from "../../train/recipes/table.ts";
import { runTraining } from "../../train/run.ts";
import { type AllowCodeFlag, allowCodeOption, codeRunnerOf } from "../allow-code.ts";
import type { CliContext } from "../context.ts";
import { formatMs } from "../format.ts";
import { interruptible } from "../interruptible.ts";
import { jsonOption, required } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";

/** What is looked at before the run is opened. */
const Run = z.looseObject({ device: z.enum(["cuda", "webgpu"]).optional().catch(undefined) });

type Flags = JsonFlag & AllowCodeFlag & { readonly config?: string; readonly resume?: boolean };

const examples = `
The configuration says what is trained (its kind: ${Object.keys(recipes).join(", ")}),
on which data, and where the results go (docs/training.md).
Models are folders or ids of the Hugging Face hub, as "Qwen/Qwen2-1.5B" or "owner/name@revision" (docs/models.md).
Checkpoints are written on the way and at the first Ctrl-C; --resume goes on from the newest one.

Examples:
  $ loragen train --config runs/smollm2/config/generator.json    its data first: runs/smollm2/README.md says how to write it
  $ loragen train --config runs/smollm2/config/generator.json --resume
  $ loragen plot work/smollm2/generator                          a chart of the run, also while it is going on`;

export function addTrain(program: Command, context: CliContext): void {
  program
    .command("train")
    .summary("train a language model, a generator over a frozen pair, or a LoRA")
    .description("Trains what a configuration file describes.")
    .option("--config <file>", "required: the run, as JSON")
    .option("--resume", "go on from the newest checkpoint of an earlier run")
    .addOption(allowCodeOption())
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action((flags: Flags) => interruptible(context, (signal) => trainCommand(context, flags, signal)));
}

async function trainCommand(context: CliContext, flags: Flags, signal: AbortSignal): Promise<void> {
  const config = required(flags.config, "train", "--config FILE");
  const { device } = await readJsonFile(config, Run, { code: "E_CONFIG" });
  if (device !== undefined) await requireDevice(device);
  const { stderr: stream, now } = context;
  const from = now();
  const result = await runTraining(config, {
    log: streamLogger(stream),
    progress: (total, start) =>
      createProgress({ stream, isTerminal: context.isTerminal.stderr, total, label: "train", now, start }),
    now,
    signal,
    resume: flags.resume === true,
    resolveModel: context.resolveModel,
    runCode: await codeRunnerOf(context, flags),
  });
  const { output, steps, best } = result;
  if (result.interrupted)
    throw new AppError(
      "E_INTERRUPTED",
      `${output}: stopped after step ${steps}; go on with: loragen train --config ${config} --resume`,
    );
  const ms = now() - from;
  printResult(context, flags, { output, steps, best, ms }, () =>
    [
      `${output}: ${steps} steps in ${formatMs(ms)}, best validation ${best.metric} ${best.value.toFixed(4)} at step ${best.step}`,
      `next: loragen plot ${output}`,
    ].join("\n"),
  );
}
