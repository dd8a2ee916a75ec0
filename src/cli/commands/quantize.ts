/** @file `loragen quantize`: a model directory to one of the same model in 8 or 4 bits. */
import { type Command, Option } from "commander";
import { createProgress } from "../../base/progress.ts";
import { withNewFolder } from "../../export/new-folder.ts";
import { quantizeDirectory } from "../../models/quantized/directory-file.ts";
import { blockSizeOf, blockSizes, defaultBlockSize } from "../../models/quantized/layout.ts";
import type { CliContext } from "../context.ts";
import { formatBytes, formatMs } from "../format.ts";
import { describeQuantization } from "../inspect/model.ts";
import { interruptible } from "../interruptible.ts";
import { jsonOption, required } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";

type Flags = JsonFlag & {
  readonly model?: string;
  readonly out?: string;
  readonly bits: "4" | "8";
  readonly block: string;
  readonly asymmetric?: boolean;
};

const examples = `
Layers get the bits and blocks asked for, embeddings and the head 8 bits and blocks of their own; norms and biases stay.
A CPU reads large blocks faster; small ones are closer to the weights (docs/quantization.md).
The result is opened wherever a model is: as the cloud or the edge of a pair, for training and for answering.

Examples:
  $ loragen quantize --model Llama-3-8B --bits 4 --out Llama-3-8B-int4
  $ loragen quantize --model pairs/assistant/edge --bits 8 --out edge-int8`;

export function addQuantize(program: Command, context: CliContext): void {
  program
    .command("quantize")
    .summary("write a model in 8 or 4 bits")
    .description("Quantises a model's weights once, one tensor in memory at a time.")
    .option("--model <dir>", "required: model as transformers reads it, or a GGUF file")
    .option("--out <dir>", "required: new folder")
    .addOption(new Option("--bits <n>", "of a weight").choices(["8", "4"]).default("8"))
    .addOption(
      new Option("--block <n>", "values of a layer's row that share a scale")
        .choices(blockSizes.map(String))
        .default(String(defaultBlockSize)),
    )
    .option("--asymmetric", "a zero point per block: closer to skewed weights, slightly larger")
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action((flags: Flags) => interruptible(context, (signal) => quantizeCommand(context, flags, signal)));
}

async function quantizeCommand(context: CliContext, flags: Flags, signal: AbortSignal): Promise<void> {
  const model = required(flags.model, "quantize", "--model DIR");
  const out = required(flags.out, "quantize", "--out DIR");
  const source = await context.resolveModel(model);
  const quantization = {
    bits: flags.bits === "4" ? 4 : 8,
    symmetric: flags.asymmetric !== true,
    blockSize: blockSizeOf(flags.block) ?? defaultBlockSize,
  } as const;
  const { stderr: stream, now } = context;
  const from = now();
  let progress: ReturnType<typeof createProgress> | undefined;
  const onProgress = (done: number, total: number) => {
    progress ??= createProgress({ stream, isTerminal: context.isTerminal.stderr, total, label: "quantize", now });
    progress.update(done);
  };
  let written: Awaited<ReturnType<typeof quantizeDirectory>>;
  try {
    written = await withNewFolder(out, (folder) =>
      quantizeDirectory(source, folder, quantization, { onProgress, signal }),
    );
  } finally {
    progress?.finish();
  }
  const { quantization: held, ...sizes } = written;
  const result = { out, ...held, ...sizes, ms: now() - from };
  printResult(
    context,
    flags,
    result,
    () =>
      `${out}: ${describeQuantization(held)}; ${formatBytes(written.bytes)} instead of ${formatBytes(written.bytesBefore)}, in ${formatMs(result.ms)}`,
  );
}
