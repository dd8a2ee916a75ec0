/** @file `loragen export`: a specialisation as files that other tools load. */
import { type Command, Option } from "commander";
import type { WeightType } from "../../export/format.ts";
import { type ExportFormatName, exportFormats } from "../../export/formats.ts";
import { requireNewFolder } from "../../export/new-folder.ts";
import { exportTolerance } from "../../export/probes.ts";
import { type ExportSource, requireFitting, runExport } from "../../export/run-export.ts";
import type { CliContext } from "../context.ts";
import { expertOption, rankOption, svdCacheOption } from "../expert-source.ts";
import {
  baseNameOption,
  describeExport,
  openSource,
  outOption,
  type SourceFlags,
  scaleOption,
  timedExport,
  warnOfLoss,
} from "../export-source.ts";
import { shortHash } from "../format.ts";
import { interruptible } from "../interruptible.ts";
import { jsonOption, pairOption, required } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";

type Flags = SourceFlags & JsonFlag & { readonly format?: ExportFormatName; readonly withBase?: boolean };

const formatNames = Object.keys(exportFormats) as ExportFormatName[];
const typeNames = [...new Set(formatNames.flatMap((name) => exportFormats[name].types))] as WeightType[];

const formatHelp = `
Formats:
${formatNames.map((name) => `  ${name.padEnd(12)} ${exportFormats[name].about}; types ${exportFormats[name].types.join(", ")}`).join("\n")}

What was written is loaded again and its logits compared with those of the merged model, its weights rounded to the
type; where they differ by more than ${exportTolerance} of the largest logit, in any format, nothing is left.
Of a quantised edge model adapters are exported, peft and gguf without --with-base; \`loragen merge --requantize\` merges.

Examples:
  $ loragen export --specialization my-task --format gguf --with-base --out my-task-gguf
  $ loragen export --specialization my-task --format gguf-merged --type q8_0 --out my-task-model
  $ loragen export --expert runs/arithmetic --base SmolLM2-135M --format peft --rank 64 --out arithmetic-lora
  $ loragen export --specialization my-task --format peft --base-name TinyLlama/TinyLlama_v1.1 --out my-task-peft`;

export function addExport(program: Command, context: CliContext): void {
  program
    .command("export")
    .summary("write a specialisation for llama.cpp, PEFT, vLLM or transformers")
    .description("Writes a specialisation in another tool's format, and verifies it.")
    .option("--specialization <path>", "required, or --expert: folder or file written by `loragen specialize`")
    .addOption(expertOption())
    .addOption(new Option("--base <dir>", "model for --expert").default(undefined, "the pair's edge model"))
    .addOption(rankOption())
    .addOption(svdCacheOption())
    .addOption(new Option("--format <name>", "required: what to write").choices(formatNames))
    .addOption(outOption())
    .addOption(
      new Option("--type <name>", "how weights are stored")
        .choices(typeNames)
        .default(undefined, "the format's first; merged: as the base model has them"),
    )
    .option("--with-base", "gguf: also the base model, as base.gguf")
    .addOption(scaleOption())
    .addOption(baseNameOption())
    .addOption(pairOption())
    .addOption(jsonOption())
    .addHelpText("after", formatHelp)
    .action((flags: Flags) => interruptible(context, (signal) => exportCommand(context, flags, signal)));
}

async function exportCommand(context: CliContext, flags: Flags, signal: AbortSignal): Promise<void> {
  const name = required(flags.format, "export", "--format NAME");
  const out = required(flags.out, "export", "--out DIR");
  requireFitting(exportFormats[name], flags);
  await requireNewFolder(out);
  const source = await openSource(context, "export", flags);
  const { scale, type, withBase } = flags;
  const result = await timedExport(context, (onStep) =>
    runExport(exportFormats[name], { ...source, scale, type, out, withBase, signal, onStep }),
  );
  warnOfLoss(context, result.arrived, result.type);
  const text = () => [describeExport(result), ...describeBase(source)].join("\n");
  printResult(context, flags, { format: name, ...result }, text);
}

/** Tools that load the adapter do not read our quantised directories. */
function describeBase({ base: { quantization, sha256 }, baseName }: ExportSource): string[] {
  if (quantization === undefined) return [];
  return [
    `base     ${baseName}, quantised to ${quantization.bits} bits; the adapter fits the model it was made from, of sha256 ${shortHash(sha256)}…, which --base-name names`,
  ];
}
