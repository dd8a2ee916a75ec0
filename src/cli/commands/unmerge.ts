/** @file `loragen unmerge`: the base model back from a merged one. */
import { access } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { AppError } from "../../base/errors.ts";
import { requireNewFolder } from "../../export/new-folder.ts";
import { unmerge } from "../../export/unmerge.ts";
import { parseHubId } from "../../hub/id.ts";
import { openModel } from "../../models/model-file.ts";
import { loadPair } from "../../pair/pair-file.ts";
import type { CliContext } from "../context.ts";
import { outOption } from "../export-source.ts";
import { formatBytes, shortHash } from "../format.ts";
import { interruptible } from "../interruptible.ts";
import { jsonOption, pairOption, required } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";

type Flags = JsonFlag & {
  readonly model?: string;
  readonly base?: string;
  readonly pair: string;
  readonly out?: string;
};

const examples = `
The merged model says which base model it was made from. Its weights are taken from there, bit for bit: subtracting
the adapter again would leave rounding errors.

Examples:
  $ loragen unmerge --model my-task-model --out restored
  $ loragen unmerge --model merged --base TinyLlama_v1.1 --out restored`;

export function addUnmerge(program: Command, context: CliContext): void {
  program
    .command("unmerge")
    .summary("give back the base model of a merged one, bit for bit")
    .description("Writes the base model of a model written by `loragen merge`.")
    .option("--model <dir>", "required: the merged model")
    .addOption(new Option("--base <dir>", "the model it was merged into").default(undefined, "the pair's edge model"))
    .addOption(outOption())
    .addOption(pairOption())
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action((flags: Flags) => interruptible(context, (signal) => unmergeCommand(context, flags, signal)));
}

/** Throws E_NOT_FOUND where nothing is there; E_USAGE for an id of the hub: what was merged is a folder or a file here. */
async function requireHere(model: string): Promise<void> {
  const isHere = await access(model).then(
    () => true,
    () => false,
  );
  if (isHere) return;
  if (parseHubId(model) === undefined) throw new AppError("E_NOT_FOUND", `cannot read ${model}: not found`);
  throw new AppError(
    "E_USAGE",
    `unmerge: --model: expected the folder or GGUF file of a merged model here, found nothing at ${model}; ids of the hub go with --base`,
  );
}

async function unmergeCommand(context: CliContext, flags: Flags, signal: AbortSignal): Promise<void> {
  const model = required(flags.model, "unmerge", "--model DIR");
  const out = required(flags.out, "unmerge", "--out DIR");
  await requireHere(model);
  await requireNewFolder(out);
  const { resolveModel } = context;
  const base =
    flags.base === undefined
      ? (await loadPair(flags.pair, { resolveModel, keepBlocks: false })).edge
      : await openModel(await resolveModel(flags.base));
  const result = await unmerge(model, base, out, { signal });
  printResult(context, flags, result, () =>
    [
      ...result.files.map(({ name, bytes }) => `${join(out, name)}: ${formatBytes(bytes)}`),
      "",
      `taken out   ${result.record.kind} ${shortHash(result.record.adapter_sha256)}…, strength ${result.record.scale}`,
      `restored    sha256 ${shortHash(result.record.base_sha256)}…, bit for bit`,
    ].join("\n"),
  );
}
