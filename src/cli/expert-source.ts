/** @file Experts of Transformer² as what `export` and `merge` write. */
import { Option } from "commander";
import { AppError } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { sha256File } from "../base/hash-file.ts";
import type { ExportSource } from "../export/run-export.ts";
import { loraOfExpert } from "../models/apply-expert.ts";
import type { Model } from "../models/model.ts";
import { combineExperts, type Expert, requireModel } from "../svf/expert.ts";
import { expertFile, readExpert } from "../svf/expert-file.ts";
import type { CliContext } from "./context.ts";
import { formatShare } from "./format.ts";
import { wholeNumber } from "./options.ts";
import { warnOn } from "./output.ts";
import { parseWeighted, type Weighted } from "./weighted-path.ts";

export type ExpertFlags = {
  readonly expert?: readonly Weighted[];
  readonly rank?: number;
  readonly svdCache?: string;
};

export const expertOption = (): Option =>
  new Option(
    "--expert <path...>",
    "skill for --base: file, or a run's output; several by weight: a:0.7 b:0.3",
  ).argParser(parseWeighted);

export const rankOption = (): Option =>
  new Option("--rank <n>", "--expert: only the n directions of each map that change most").argParser(wholeNumber(1));

export const svdCacheOption = (): Option =>
  new Option("--svd-cache <dir>", "folder of decompositions").default(undefined, "beside the model");

/** Reads the experts that were given, and adds their changes up. Throws E_MISMATCH naming both hashes where one is for another model. */
export async function readWeightedExperts(parts: readonly Weighted[], model: Model): Promise<Expert> {
  const experts = await Promise.all(parts.map(({ path }) => readExpert(path)));
  experts.forEach((expert, i) => {
    requireModel(expert, model.sha256, parts[i]!.path);
  });
  const isOne = parts.length === 1 && parts[0]!.weight === 1;
  const weights = parts.map(({ weight }) => weight);
  return isOne ? experts[0]! : combineExperts(experts, weights, { of: "changes" });
}

type Opened = { readonly base: Model; readonly tokenizerDirectory: string; readonly baseName: string };

/** A skill as a low-rank change of the model that it is for; what a rank leaves out is said. */
export async function openExpertSource(
  context: Pick<CliContext, "stderr">,
  { expert: parts, rank, svdCache }: ExpertFlags & Required<Pick<ExpertFlags, "expert">>,
  { base, ...names }: Opened,
): Promise<ExportSource> {
  const expert = await readWeightedExperts(parts, base);
  const { adapter, error } = await loraOfExpert(base, expert, {
    rank,
    ...(svdCache === undefined ? {} : { folder: svdCache }),
    onDamaged: (why) => warnOn(context)(`${why}; it is made again`),
  });
  if ([...adapter.values()].every((change) => change.rank === 0))
    throw new AppError("E_MISMATCH", `${parts[0]!.path}: all factors are 1: the expert changes nothing`);
  if (error > 0)
    context.stderr.write(`rank ${rank}: ${formatShare(error)} of the change is left out (‖ΔW − its cut‖ / ‖ΔW‖)\n`);
  return { base, ...names, adapter, kind: "svf", adapterSha256: await identityOf(parts), name: "skill" };
}

async function identityOf(parts: readonly Weighted[]): Promise<string> {
  const hashes = await Promise.all(parts.map(async ({ path }) => sha256File(await expertFile(path))));
  return hashes.length === 1 ? hashes[0]! : sha256(hashes.map((hash, i) => `${hash}:${parts[i]!.weight}`).join("\n"));
}
