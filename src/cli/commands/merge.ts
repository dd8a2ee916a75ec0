/** @file `loragen merge`: a specialisation or a PEFT adapter into the weights of a model. */
import { type Command, Option } from "commander";
import { mergedDirectory } from "../../export/merged.ts";
import type { ExportRequest } from "../../export/run-export.ts";
import type { CliContext } from "../context.ts";
import {
  describeExport,
  exportSource,
  openSource,
  outOption,
  type SourceFlags,
  scaleOption,
} from "../export-source.ts";
import { interruptible } from "../interruptible.ts";
import { jsonOption, pairOption, required } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";

type Flags = SourceFlags & JsonFlag;

const examples = `
The folder is a model as transformers reads it, with the base model's types and its tokenizer files; where the base
model has none beside its weights, as a GGUF file never does, the command says so. What was merged is recorded in
config.json: merging into it again is refused, and \`loragen unmerge\` gives the base model back.

Examples:
  $ loragen merge --specialization my-task --out my-task-model
  $ loragen merge --adapter trained-by-peft --base TinyLlama_v1.1 --out merged
  $ loragen unmerge --model my-task-model --out restored`;

export function addMerge(program: Command, context: CliContext): void {
  program
    .command("merge")
    .summary("merge a specialisation or a PEFT adapter into a model's weights")
    .description("Writes the merged model as a Hugging Face directory, and verifies it.")
    .option("--specialization <path>", "folder or file written by `loragen specialize`")
    .option("--adapter <dir>", "folder of a PEFT adapter")
    .addOption(new Option("--base <dir>", "model for --adapter").default(undefined, "the pair's edge model"))
    .addOption(outOption())
    .addOption(new Option("--type <name>", "one type for all weights").choices(mergedDirectory.types))
    .addOption(scaleOption())
    .addOption(pairOption())
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action((flags: Flags) => interruptible(context, (signal) => mergeCommand(context, flags, signal)));
}

async function mergeCommand(context: CliContext, flags: Flags, signal: AbortSignal): Promise<void> {
  const out = required(flags.out, "merge", "--out DIR");
  if (flags.adapter === undefined) required(flags.specialization, "merge", "--specialization DIR or --adapter DIR");
  const source = await openSource(context, "merge", flags);
  const result = await exportSource(context, mergedDirectory, source, { ...flags, out, signal });
  const hasTokenizer = result.files.some(({ name }) => name === tokenizerFile);
  const text = () => [describeExport(result), ...(hasTokenizer ? [] : [withoutTokenizer(source, out)])].join("\n");
  printResult(context, flags, { ...result, hasTokenizer }, text);
}

const tokenizerFile = "tokenizer.json";

const withoutTokenizer = ({ base: { directory } }: Pick<ExportRequest, "base">, out: string): string =>
  `missing  ${tokenizerFile}: ${
    directory.endsWith(".gguf") ? `the tokenizer inside ${directory} is not converted` : `${directory} has none`
  }; copy the model's ${tokenizerFile} and tokenizer_config.json into ${out}`;
