/** @file One export from beginning to end: merge, write, reload, compare, and only then give it its name. */
import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { AppError } from "../base/errors.ts";
import { createRng } from "../base/rng.ts";
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from "../files/half.ts";
import { type Adapter, adapterRank } from "../lora/low-rank.ts";
import type { ModelConfig } from "../models/config.ts";
import type { Model } from "../models/load.ts";
import { mergeAdapter, scaleAdapter } from "../models/merge-adapter.ts";
import { type MergeRecord, refuseMerged, storedDtype } from "../models/save-merged.ts";
import { readWeight } from "../runtime/read-weight.ts";
import type { WeightSource } from "../runtime/session.ts";
import { compareLogits, requireClose } from "./compare-logits.ts";
import type { ExportFormat, WeightType } from "./format.ts";
import { withNewFolder } from "./new-folder.ts";
import { reloadModel } from "./reload.ts";

export type ExportRequest = {
  readonly out: string;
  readonly base: Model;
  readonly adapter: Adapter;
  /** Strength: 1 is the adapter as it is. */
  readonly scale: number;
  readonly type?: WeightType | undefined;
  readonly kind: MergeRecord["kind"];
  readonly adapterSha256: string;
  readonly name: string;
  readonly baseName: string;
  readonly tokenizerDirectory: string;
  /** Whether an adapter gets its base model beside it. */
  readonly withBase?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what begins. */
  readonly onStep?: (step: "merge" | "write" | "verify") => void;
};

export type ExportResult = {
  readonly out: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly type: WeightType;
  readonly rank: number;
  readonly scale: number;
  /** Between the logits of the merged model and of what was written, over `positions` positions. */
  readonly largestDifference: number;
  readonly largestLogit: number;
  readonly positions: number;
  /** Of the largest logit. */
  readonly tolerance: number;
};

/**
 * Writes an export into a new folder and verifies it.
 * @throws E_ARCHITECTURE where the tool does not support the model; E_USAGE for a type the format does not have; E_MISMATCH for a base that
 * is a merge already, for an adapter that changes nothing, and for an export whose logits are beyond the tolerance: then nothing is left
 */
export async function runExport(format: ExportFormat, request: ExportRequest): Promise<ExportResult> {
  const { base, scale, out, onStep = () => undefined, signal } = request;
  const step = (name: Parameters<typeof onStep>[0]) => {
    if (signal?.aborted) throw new AppError("E_INTERRUPTED", "stopped; nothing was written");
    onStep(name);
  };
  requireSupport(format, base.config);
  if (base.quantization !== undefined)
    throw new AppError(
      "E_CONFIG",
      `${base.directory}: opened in ${base.quantization.bits} bits: exports are made from the weights as they were published`,
    );
  const type = await resolveType(format, request.type, base);
  if (request.withBase === true && format.canHoldBase !== true)
    throw new AppError("E_USAGE", "this format does not hold a base model; expected one that does: gguf");
  await refuseMerged(base);
  return withNewFolder(out, async (directory) => {
    step("merge");
    const adapter = scaleAdapter(request.adapter, scale);
    const merged = { config: base.config, weights: await mergeAdapter(base.weights, adapter) };
    await requireChange(base.weights, merged.weights, adapter, type);
    const { kind, adapterSha256, name, baseName, tokenizerDirectory, withBase = false } = request;
    const record: MergeRecord = { base_sha256: base.sha256, kind, adapter_sha256: adapterSha256, scale };
    const keptType = format.keepsTypes === true ? request.type : type;
    const context = {
      directory,
      type: keptType,
      base,
      adapter,
      merged,
      record,
      name,
      baseName,
      tokenizerDirectory,
      withBase,
    };
    step("write");
    await format.write(context);
    step("verify");
    const wanted = await logitsOfProbes(base.config, () => reloadModel(merged));
    for (const weight of adapter.keys()) delete merged.weights[weight]; // they would lie in memory twice
    const found = await logitsOfProbes(base.config, () => format.reload(context));
    const tolerance = format.tolerance(type);
    const gap = compareLogits(wanted, found);
    requireClose(gap, tolerance, "the merged model");
    const positions = probes(base.config).reduce((sum, ids) => sum + ids.length, 0);
    return {
      out,
      files: await listFiles(directory),
      type,
      rank: adapterRank(adapter),
      scale,
      ...gap,
      positions,
      tolerance,
    };
  });
}

function requireSupport({ architectures, tool }: ExportFormat, { modelType }: ModelConfig): void {
  if (!architectures.includes(modelType))
    throw new AppError(
      "E_ARCHITECTURE",
      `${tool} does not support ${modelType}; it supports: ${architectures.join(", ")}`,
    );
}

async function resolveType(format: ExportFormat, asked: WeightType | undefined, base: Model): Promise<WeightType> {
  const { types, keepsTypes } = format;
  if (asked === undefined) return keepsTypes === true ? storedTypes[await storedDtype(base)] : types[0]!;
  if (!types.includes(asked))
    throw new AppError("E_USAGE", `--type: this format has ${types.join(", ")}, found ${asked}`);
  return asked;
}
const storedTypes = { F32: "f32", F16: "f16", BF16: "bf16" } as const;

const rounding: Readonly<Record<WeightType, (values: Float32Array) => Float32Array>> = {
  f32: (values) => values,
  f16: (values) => float16ToFloat32(float32ToFloat16(values)),
  bf16: (values) => bfloat16ToFloat32(float32ToBfloat16(values)),
  q8_0: (values) => values,
};

/** Throws E_MISMATCH where no weight is another one, as it is stored. */
async function requireChange(
  base: Readonly<Record<string, WeightSource>>,
  merged: Readonly<Record<string, WeightSource>>,
  adapter: Adapter,
  type: WeightType,
): Promise<void> {
  for (const name of adapter.keys()) {
    const [before, after] = [base[name]!, merged[name]!];
    if (before === after) continue;
    const [old, now] = [rounding[type](await readWeight(before)), rounding[type](await readWeight(after))];
    if (now.some((value, i) => value !== old[i])) return;
  }
  throw new AppError(
    "E_MISMATCH",
    `the merge changes no weight: expected an adapter that does${type === "f32" ? "" : ` in ${type}`}, found one that leaves all ${adapter.size} as they are`,
  );
}

/** Token ids that no text would have, of several lengths: the same for every export of a model. */
function probes({ vocab, context, bosId }: ModelConfig): number[][] {
  const rng = createRng("export probes");
  return [1, 17, 48].map((length) =>
    Array.from({ length: Math.min(length, context) }, (_, i) =>
      i === 0 && bosId !== undefined ? bosId : rng.int(vocab),
    ),
  );
}

type Logits = { logits(ids: readonly number[]): Promise<Float32Array> } & AsyncDisposable;

async function logitsOfProbes(config: ModelConfig, open: () => Promise<Logits>): Promise<Float32Array[]> {
  await using model = await open();
  const found: Float32Array[] = [];
  for (const ids of probes(config)) found.push(await model.logits(ids));
  return found;
}

async function listFiles(directory: string): Promise<ExportResult["files"]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const names = entries
    .flatMap((entry) => (entry.isFile() ? [relative(directory, join(entry.parentPath, entry.name))] : []))
    .sort();
  return Promise.all(names.map(async (name) => ({ name, bytes: (await stat(join(directory, name))).size })));
}
