/** @file `loragen quantize`: a model directory to one of the same model in 8 or 4 bits, or a generator to the form that is shipped. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { AppError } from "../../base/errors.ts";
import { createProgress } from "../../base/progress.ts";
import { requireNewFolder, withNewFolder } from "../../export/new-folder.ts";
import type { ResolveModel } from "../../hub/resolve.ts";
import { quantizeDirectory } from "../../models/quantized/directory-file.ts";
import { blockSizeOf, blockSizes, defaultBlockSize } from "../../models/quantized/layout.ts";
import { verifyQuantizedDirectory } from "../../models/quantized/verify-directory.ts";
import { generatorFileNames } from "../../pair/generator.ts";
import { type LooseGenerator, readLooseGenerator, writeLooseGenerator } from "../../pair/generator-file.ts";
import { readRunGenerator } from "../../train/run-generator.ts";
import type { CliContext } from "../context.ts";
import { formatBytes, formatCount, formatMs } from "../format.ts";
import { describeQuantization } from "../inspect/model.ts";
import { interruptible } from "../interruptible.ts";
import { jsonOption, required } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";

type Flags = JsonFlag & {
  readonly model?: string;
  readonly generator?: string;
  readonly out?: string;
  readonly verify?: string;
  readonly bits: "4" | "8";
  readonly block?: string;
  readonly asymmetric?: boolean;
};

const examples = `
Layers get the bits and blocks asked for, embeddings and the head 8 bits and blocks of their own; norms and biases stay.
A CPU reads large blocks faster; small ones are closer to the weights (docs/quantization.md).
The result is opened wherever a model is: as the cloud or the edge of a pair, for training and for answering.
A generator is written in rows of 8 bits with one scale each, a quarter of its size. A run's output gives the best weights so
far, also while it is going on.

Examples:
  $ loragen quantize --model Llama-3-8B --bits 4 --out Llama-3-8B-int4
  $ loragen quantize --model Llama-3-8B --verify Llama-3-8B-int4
  $ loragen quantize --model pairs/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf --bits 8 --out smollm2-int8
  $ loragen quantize --generator work/smollm2/generator --out pairs/mine/generator`;

export function addQuantize(program: Command, context: CliContext): void {
  program
    .command("quantize")
    .summary("write a model in 8 or 4 bits, or a generator in 8")
    .description("Quantises a model's weights once, one tensor in memory at a time; or a generator's.")
    .option("--model <dir>", "required, or --generator: model as transformers reads it, or a GGUF file")
    .option("--generator <dir>", "a generator, or the output of a generator's run")
    .option("--out <dir>", "required: new folder")
    .addOption(new Option("--bits <n>", "bits of a weight").choices(["8", "4"]).default("8"))
    .addOption(
      new Option("--block <n>", "values of a layer's row that share a scale")
        .choices(blockSizes.map(String))
        .default(undefined, String(defaultBlockSize)),
    )
    .option("--verify <dir>", "instead: check that a quantised directory was made from --model")
    .option("--asymmetric", "a zero point per block: closer to skewed weights, slightly larger")
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action((flags: Flags) =>
      flags.generator === undefined
        ? interruptible(context, (signal) =>
            (flags.verify === undefined ? quantizeCommand : verifyCommand)(context, flags, signal),
          )
        : generatorCommand(context, flags, flags.generator),
    );
}

async function generatorCommand(context: CliContext, flags: Flags, generator: string): Promise<void> {
  const { model, bits, block, asymmetric } = flags;
  if (model !== undefined || bits !== "8" || block !== undefined || asymmetric === true)
    throw new AppError(
      "E_USAGE",
      "--generator: a generator has rows of 8 bits with one scale each: expected no --model, --bits 4, --block or --asymmetric",
    );
  const out = required(flags.out, "quantize", "--out DIR");
  await requireNewFolder(out);
  const { step, ...read } = await readAnyGenerator(generator, context.resolveModel);
  await withNewFolder(out, (folder) => writeLooseGenerator(folder, read, "I8"));
  const { size: bytes } = await stat(join(out, generatorFileNames.weights));
  const parameters = read.tensors.reduce((sum, { data }) => sum + data.length, 0);
  const result = { out, parameters, bytes, bytesBefore: 4 * parameters, ...(step === undefined ? {} : { step }) };
  printResult(
    context,
    flags,
    result,
    () =>
      `${out}: a generator of ${formatCount(parameters)} parameters in rows of 8 bits${step === undefined ? "" : `, of step ${step}`}; ${formatBytes(bytes)} instead of ${formatBytes(4 * parameters)} in fp32`,
  );
}

type AnyGenerator = LooseGenerator & { readonly step?: number };

/** A generator's folder, or the best weights of a run. */
async function readAnyGenerator(directory: string, resolveModel: ResolveModel): Promise<AnyGenerator> {
  const isGenerator = await stat(join(directory, generatorFileNames.config)).then(
    () => true,
    () => false,
  );
  return isGenerator ? readLooseGenerator(directory) : readRunGenerator(directory, resolveModel);
}

async function verifyCommand(context: CliContext, flags: Flags, signal: AbortSignal): Promise<void> {
  const model = required(flags.model, "quantize --verify", "--model DIR");
  const directory = required(flags.verify, "quantize", "--verify DIR");
  if (flags.out !== undefined) throw new AppError("E_USAGE", "quantize: --verify writes nothing: expected no --out");
  const base = await context.resolveModel(model);
  const { quantization, sha256, weights } = await verifyQuantizedDirectory(directory, base, { signal });
  printResult(
    context,
    flags,
    { directory, base, ...quantization, sha256, weights },
    () =>
      `${directory}: all ${weights} weights are what quantising ${base} gives (${describeQuantization(quantization)})`,
  );
}

async function quantizeCommand(context: CliContext, flags: Flags, signal: AbortSignal): Promise<void> {
  const model = required(flags.model, "quantize", "--model DIR or --generator DIR");
  const out = required(flags.out, "quantize", "--out DIR");
  await requireNewFolder(out);
  const source = await context.resolveModel(model);
  const quantization = {
    bits: flags.bits === "4" ? 4 : 8,
    symmetric: flags.asymmetric !== true,
    blockSize: flags.block === undefined ? defaultBlockSize : (blockSizeOf(flags.block) ?? defaultBlockSize),
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
