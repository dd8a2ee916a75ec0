/** @file `loragen svd`: the singular value decompositions of a model's maps, made once and kept. */
import { type Command, Option } from "commander";
import { requireWritable } from "../../base/folder.ts";
import { createProgress } from "../../base/progress.ts";
import { type MapGroup, mapGroups, svdFolder, svdSource, svfMaps } from "../../models/decomposable.ts";
import { openModel } from "../../models/model-file.ts";
import { openBasis, svdLimits } from "../../svf/svd-cache.ts";
import { mapRank } from "../../svf/svd-file.ts";
import type { CliContext } from "../context.ts";
import { svdCacheOption } from "../expert-source.ts";
import { formatBytes, formatCount, formatMs, plural } from "../format.ts";
import { interruptible } from "../interruptible.ts";
import { decimal, jsonOption, required, threadsOption } from "../options.ts";
import { type JsonFlag, printResult, warnOn } from "../output.ts";

type Flags = JsonFlag & {
  readonly model?: string;
  readonly maps: MapGroup;
  readonly svdCache?: string;
  readonly quota?: number;
  readonly threads: number;
};

const examples = `
A skill of Transformer² is one factor for each singular value of a map (docs/transformer2.md). Training, merging and
answering with skills decompose a model by themselves; this does it beforehand. What is there already is checked and kept,
a file that is damaged is made again, and Ctrl-C keeps what is finished.

Examples:
  $ loragen svd --model SmolLM2-135M
  $ loragen svd --model Llama-3.2-1B --maps both --svd-cache /data/svd --quota 20`;

export function addSvd(program: Command, context: CliContext): void {
  program
    .command("svd")
    .summary("decompose a model's weights for skills of Transformer²")
    .description("Writes U, Σ and V of each linear map, one file a map, in a folder under the model's hash.")
    .option("--model <dir>", "required: model as transformers reads it, or a GGUF file")
    .addOption(new Option("--maps <which>", "linear maps of each layer").choices(mapGroups).default("feed-forward"))
    .addOption(svdCacheOption())
    .addOption(
      new Option("--quota <gb>", "most the folder may hold, in GB; other models' go first")
        .argParser(decimal(0, 1e6))
        .default(undefined, String(svdLimits.quotaBytes / 1e9)),
    )
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action((flags: Flags) => interruptible(context, (signal) => svdCommand(context, flags, signal)));
}

async function svdCommand(context: CliContext, flags: Flags, signal: AbortSignal): Promise<void> {
  const named = required(flags.model, "svd", "--model DIR");
  if (flags.svdCache !== undefined) await requireWritable(flags.svdCache);
  const model = await openModel(await context.resolveModel(named));
  const { stderr: stream, now } = context;
  const maps = svfMaps(model.config, flags.maps);
  const folder = flags.svdCache ?? svdFolder(model);
  const from = now();
  const { isTerminal } = context;
  const progress = createProgress({ stream, isTerminal: isTerminal.stderr, total: maps.length, label: "svd", now });
  const found = await openBasis(svdSource(model, maps), {
    folder,
    quotaBytes: flags.quota === undefined ? undefined : flags.quota * 1e9,
    threads: flags.threads,
    onProgress: (done) => progress.update(done),
    onDamaged: (why) => warnOn(context)(`${why}; it is made again`),
    signal,
  }).finally(() => progress.finish());
  const { made, bytes, largestError } = found;
  const factors = maps.reduce((sum, map) => sum + mapRank(map), 0);
  const result = {
    folder,
    modelSha256: model.sha256,
    maps: maps.length,
    made,
    factors,
    bytes,
    largestError,
    ms: now() - from,
  };
  printResult(
    context,
    flags,
    result,
    () =>
      `${folder}: ${plural(maps.length, "map")}, ${formatCount(factors)} singular values, ${formatBytes(bytes)}; ${made} made now, in ${formatMs(result.ms)}; ‖W − UΣVᵀ‖/‖W‖ at most ${largestError.toExponential(1)}`,
  );
}
