/** @file What `export` and `merge` have in common: which adapter, into which base model. */
import { join } from "node:path";
import { Option } from "commander";
import { AppError } from "../base/errors.ts";
import { sha256File } from "../base/hash-file.ts";
import { readJsonFile } from "../base/json-file.ts";
import { withRegularFile } from "../base/read-file.ts";
import type { ExportStep, WeightType } from "../export/format.ts";
import type { ExportResult, ExportSource } from "../export/run-export.ts";
import { arrivalWarning } from "../export/share-arrived.ts";
import { specializationSource } from "../export/specialization-source.ts";
import { publishedName, repositoryOf } from "../hub/published-name.ts";
import type { ResolveModel } from "../hub/resolve.ts";
import { readPeftChange } from "../lora/peft-change.ts";
import { peftFiles, readPeftKind } from "../lora/peft-config.ts";
import { openModel } from "../models/model-file.ts";
import { peftBaseOf, untieHead, wholeOverCodes } from "../models/peft-base.ts";
import { maxScale } from "../pair/merge.ts";
import { PairFile, pairFileName } from "../pair/pair.ts";
import { loadPair, type Pair } from "../pair/pair-file.ts";
import { readSpecialization } from "../pair/specialization-file.ts";
import { expertFile } from "../svf/expert-file.ts";
import type { CliContext } from "./context.ts";
import { type ExpertFlags, openExpertSource } from "./expert-source.ts";
import { formatBytes, formatMs, formatShare } from "./format.ts";
import { decimal, required } from "./options.ts";
import { warnOn } from "./output.ts";

export type SourceFlags = ExpertFlags & {
  readonly pair: string;
  readonly specialization?: string;
  readonly adapter?: string;
  readonly base?: string;
  readonly baseName?: string;
  readonly scale: number;
  readonly out?: string;
  readonly type?: WeightType;
};

export const scaleOption = () =>
  new Option("--scale <s>", "strength: 1 as it is, 0.5 half of it").argParser(decimal(-maxScale, maxScale)).default(1);

export const outOption = () => new Option("--out <dir>", "required: a new or empty folder");

export const baseNameOption = () =>
  new Option("--base-name <name>", "what the export calls its base model, such as a name on the hub").default(
    undefined,
    "its id on the hub, or the name in its files",
  );

/** The adapter that the flags name, looked for before the model is opened. Throws E_USAGE, E_MISMATCH, and as the readers of its files do. */
export async function openSource(
  context: Pick<CliContext, "resolveModel" | "stderr">,
  command: string,
  flags: SourceFlags,
): Promise<ExportSource> {
  const { resolveModel } = context;
  const given = (["specialization", "adapter", "expert"] as const).filter((name) => flags[name] !== undefined);
  if (given.length > 1)
    throw new AppError("E_USAGE", `${command}: expected one of --${given.join(" and --")}, found both`);
  if (flags.expert !== undefined) {
    const { expert } = flags;
    for (const { path } of expert) await expertFile(path);
    const opened = await openBase(flags, resolveModel);
    return openExpertSource(context, { ...flags, expert }, opened);
  }
  if (flags.adapter !== undefined) {
    await readPeftKind(flags.adapter);
    await withRegularFile(join(flags.adapter, peftFiles.weights), async () => undefined); // there, before a model is opened
    return openPeftSource(flags, flags.adapter, resolveModel);
  }
  const path = required(flags.specialization, command, "--specialization DIR");
  if (flags.base !== undefined)
    throw new AppError(
      "E_USAGE",
      `${command}: --base goes with --adapter or --expert; a specialisation belongs to its pair`,
    );
  await readSpecialization(path);
  const pair = await loadPair(flags.pair, { resolveModel, keepBlocks: false });
  return specializationSource(pair, await readSpecialization(path, pair), await edgeName(flags, pair));
}

/** What exports call a pair's edge model: what `--base-name` says, its id on the hub where the pair names it so, else its published name. */
export async function edgeName(
  { baseName }: { readonly baseName?: string | undefined },
  { directory, edge }: Pick<Pair, "directory" | "edge">,
): Promise<string> {
  const named = async () => repositoryOf((await readJsonFile(join(directory, pairFileName), PairFile)).edge);
  return baseName ?? (await named()) ?? publishedName(edge.directory);
}

async function openPeftSource(
  flags: SourceFlags,
  adapterPath: string,
  resolveModel: ResolveModel,
): Promise<ExportSource> {
  const { base, ...names } = await openBase(flags, resolveModel);
  const { adapter, whole, untiesHead } = await readPeftChange(adapterPath, peftBaseOf(base));
  if (whole.size > 0 && base.quantization !== undefined) throw wholeOverCodes([...whole.keys()]);
  return {
    base: untiesHead ? untieHead(base) : base,
    ...names,
    adapter,
    whole,
    kind: "peft",
    adapterSha256: await sha256File(join(adapterPath, peftFiles.weights)), // once it is known to be no larger than it should be
    name: "merged",
  };
}

/** The model that was named, or the pair's edge model, where its tokenizer is, and what it is called. */
async function openBase({ pair: pairDirectory, base: named, baseName }: SourceFlags, resolveModel: ResolveModel) {
  if (named === undefined) {
    const pair = await loadPair(pairDirectory, { resolveModel, keepBlocks: false });
    return { base: pair.edge, tokenizerDirectory: pair.tokenizerPath, baseName: await edgeName({ baseName }, pair) };
  }
  const path = await resolveModel(named);
  const id = path === named ? undefined : repositoryOf(named);
  return {
    base: await openModel(path),
    tokenizerDirectory: path,
    baseName: baseName ?? id ?? (await publishedName(path)),
  };
}

/** Runs an export, telling on a terminal what begins, and for how long it ran. */
export async function timedExport<T extends object>(
  { isTerminal, stderr, now }: CliContext,
  work: (onStep: (step: ExportStep) => void) => Promise<T>,
): Promise<T & { readonly ms: number }> {
  const from = now();
  const result = await work((step) => {
    if (isTerminal.stderr) stderr.write(`${step} …\n`);
  });
  return { ...result, ms: now() - from };
}

/** Says on stderr where little of an adapter arrived in the rounding. */
export function warnOfLoss(context: CliContext, arrived: number | undefined, stored: string): void {
  const warning = arrivalWarning(arrived, stored);
  if (warning !== undefined) warnOn(context)(warning);
}

/** For people. */
export function describeExport({
  type,
  rank,
  scale,
  rounding,
  arrived,
  tokens,
  template,
  ...result
}: ExportResult & { ms: number }): string {
  return [
    ...describeFiles(result),
    "",
    `weights  ${type}, rank ${rank}, strength ${scale}`,
    describeCheck(result),
    ...(rounding === 0 ? [] : [`         rounding to ${type} moves logits by at most ${rounding.toPrecision(2)}`]),
    ...(arrived === undefined ? [] : [`         ${formatShare(arrived)} of the adapter arrived`]),
    ...(tokens === undefined ? [] : [`tokens   of ${tokens.texts} texts the same, by ${tokens.by}`]),
    ...(template === undefined ? [] : [`chat     ${aboutTemplate[template]}`]),
    `time     ${formatMs(result.ms)}`,
  ].join("\n");
}

/** What other programs have to know of a chat template that differs from the base model's. */
const aboutTemplate: Readonly<Record<NonNullable<ExportResult["template"]>, string>> = {
  field: "the template in the file writes no default system prompt, as the pair does",
  file: "chat_template.jinja writes no default system prompt, as the pair does: the tool must use it",
};

export const describeFiles = ({ files, out }: Pick<ExportResult, "files" | "out">): string[] =>
  files.map(({ name, bytes }) => `${join(out, name)}: ${formatBytes(bytes)}`);

export const describeCheck = ({
  largestDifference,
  largestLogit,
  positions,
  tolerance,
}: Pick<ExportResult, "largestDifference" | "largestLogit" | "positions" | "tolerance">): string =>
  `check    reloaded: logits differ by at most ${largestDifference.toPrecision(2)} over ${positions} positions; allowed ${(tolerance * largestLogit).toPrecision(2)} (${tolerance} of the largest logit, ${largestLogit.toPrecision(3)})`;
