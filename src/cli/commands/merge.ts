/** @file `loragen merge`: a specialisation or a PEFT adapter into the weights of a model. */
import { type Command, Option } from "commander";
import { mergeRequantized, type RequantizeResult } from "../../export/merge-requantized.ts";
import { mergedDirectory } from "../../export/merged.ts";
import { requireNewFolder } from "../../export/new-folder.ts";
import { type ExportRequest, type ExportResult, runExport } from "../../export/run-export.ts";
import { quantizationName } from "../../models/quantized/layout.ts";
import type { CliContext } from "../context.ts";
import { expertOption, rankOption, svdCacheOption } from "../expert-source.ts";
import {
  describeCheck,
  describeExport,
  describeFiles,
  openSource,
  outOption,
  type SourceFlags,
  scaleOption,
  timedExport,
  warnOfLoss,
} from "../export-source.ts";
import { formatLogitChange, formatMs, formatShare } from "../format.ts";
import { describeQuantization } from "../inspect/model.ts";
import { interruptible } from "../interruptible.ts";
import { jsonOption, pairOption, required } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";

type Flags = SourceFlags & JsonFlag & { readonly requantize?: boolean };

const examples = `
The folder is a model as transformers reads it, with the base model's types and its tokenizer files, which are made from
what a GGUF file says; where the base model has none beside its weights, the command says so. What was merged is recorded in
config.json: merging into it again is refused, and \`loragen unmerge\` gives the base model back.

Into a model written by \`loragen quantize\` an adapter is merged only with --requantize: the sums are rounded again, in
as many bits and blocks, which moves logits; by how much, and how much of the adapter arrived, is printed. One that is
lost in the rounding is refused. The folder is read by loragen only, as its base is.

Examples:
  $ loragen merge --specialization my-task --out my-task-model
  $ loragen merge --adapter trained-by-peft --base TinyLlama_v1.1 --out merged
  $ loragen merge --expert runs/arithmetic --base SmolLM2-135M --out arithmetic-model
  $ loragen merge --adapter trained-by-peft --base TinyLlama-int8 --requantize --out merged-int8
  $ loragen unmerge --model my-task-model --out restored`;

export function addMerge(program: Command, context: CliContext): void {
  program
    .command("merge")
    .summary("merge a specialisation, a PEFT adapter or a skill into a model's weights")
    .description("Writes the merged model as a Hugging Face directory, and verifies it.")
    .option("--specialization <path>", "folder or file written by `loragen specialize`")
    .option("--adapter <dir>", "folder of a PEFT adapter")
    .addOption(expertOption())
    .addOption(rankOption())
    .addOption(svdCacheOption())
    .addOption(
      new Option("--base <dir>", "model for --adapter or --expert").default(undefined, "the pair's edge model"),
    )
    .addOption(outOption())
    .addOption(
      new Option("--type <name>", "one type for all weights")
        .choices(mergedDirectory.types)
        .default(undefined, "each as the base model has it"),
    )
    .addOption(
      new Option("--requantize", "into a quantised model: quantise the result again in the same way").conflicts("type"),
    )
    .addOption(scaleOption())
    .addOption(pairOption())
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action((flags: Flags) => interruptible(context, (signal) => mergeCommand(context, flags, signal)));
}

async function mergeCommand(context: CliContext, flags: Flags, signal: AbortSignal): Promise<void> {
  const out = required(flags.out, "merge", "--out DIR");
  if (flags.adapter === undefined && flags.expert === undefined)
    required(flags.specialization, "merge", "--specialization DIR, --adapter DIR or --expert FILE");
  await requireNewFolder(out);
  const source = await openSource(context, "merge", flags);
  const merge = flags.requantize === true ? requantized : plain;
  const { result, text } = await merge(context, { ...source, scale: flags.scale, type: flags.type, out, signal });
  const hasTokenizer = result.files.some(({ name }) => name === tokenizerFile);
  const lines = () => [...text, ...(hasTokenizer ? [] : [withoutTokenizer(source, out)])].join("\n");
  printResult(context, flags, { ...result, hasTokenizer }, lines);
}

type Merged = { readonly result: ExportResult | RequantizeResult; readonly text: readonly string[] };

async function plain(context: CliContext, request: ExportRequest): Promise<Merged> {
  const result = await timedExport(context, (onStep) => runExport(mergedDirectory, { ...request, onStep }));
  warnOfLoss(context, result.arrived, result.type);
  return { result, text: [describeExport(result)] };
}

async function requantized(context: CliContext, request: ExportRequest): Promise<Merged> {
  const result = await timedExport(context, (onStep) => mergeRequantized({ ...request, onStep }));
  const { quantization, rank, scale, arrived, effect, change, ms } = result;
  warnOfLoss(context, arrived, quantizationName(quantization));
  const text = [
    ...describeFiles(result),
    "",
    `weights  ${describeQuantization(quantization)}; rank ${rank}, strength ${scale}`,
    describeCheck(result),
    `adapter  beside the base model: ${formatLogitChange(effect)}`,
    `change   merged and quantised again: ${formatLogitChange(change)}`,
    `         ${formatShare(arrived)} of the adapter arrived`,
    `time     ${formatMs(ms)}`,
  ];
  return { result, text };
}

const tokenizerFile = "tokenizer.json";

const withoutTokenizer = ({ base: { directory } }: Pick<ExportRequest, "base">, out: string): string =>
  `missing  ${tokenizerFile}: ${`${directory} has none`}; copy the model's ${tokenizerFile} and tokenizer_config.json into ${out}`;
