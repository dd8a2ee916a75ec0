/** @file One export from beginning to end: merge, write, reload, compare, and only then give it its name. */
import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { AppError } from "../base/errors.ts";
import { createRng } from "../base/rng.ts";
import { type Adapter, adapterRank } from "../lora/low-rank.ts";
import type { ModelConfig } from "../models/config.ts";
import type { Model } from "../models/load.ts";
import { mergeAdapter, scaleAdapter } from "../models/merge-adapter.ts";
import { parameterShapes } from "../models/parameters.ts";
import { type MergeRecord, refuseMerged, storedDtype } from "../models/save-merged.ts";
import { allOf, isUnchanged, weightsAsStored } from "./as-stored.ts";
import { compareLogits, requireClose } from "./compare-logits.ts";
import type { ExportContext, ExportFormat, WeightType } from "./format.ts";
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
  /** Between the logits of the merged model, its weights rounded to the type, and of what was written, over `positions` positions. */
  readonly largestDifference: number;
  readonly largestLogit: number;
  readonly positions: number;
  /** Of the largest logit. */
  readonly tolerance: number;
  /** How far rounding the weights to the type moves logits. */
  readonly rounding: number;
};

/** Largest difference of a logit, as a share of the largest: the readers compute the same sums, some in another order. */
export const exportTolerance = 1e-4;

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
    await requireChange(format, context, type);
    step("write");
    await format.write(context);
    step("verify");
    const { wanted, rounding } = await storedLogits(format, context);
    for (const weight of adapter.keys()) delete merged.weights[weight]; // they would lie in memory twice
    const gap = compareLogits(wanted, await logitsOfProbes(base.config, () => format.reload(context)));
    requireClose(gap, exportTolerance, type === "f32" ? "the merged model" : `the merged model rounded to ${type}`);
    const positions = probes(base.config).reduce((sum, ids) => sum + ids.length, 0);
    return {
      out,
      files: await listFiles(directory),
      type,
      rank: adapterRank(adapter),
      scale,
      ...gap,
      rounding,
      positions,
      tolerance: exportTolerance,
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

/** Throws E_MISMATCH where no weight is another one, as it is stored. */
async function requireChange(format: ExportFormat, context: ExportContext, type: WeightType): Promise<void> {
  const { base, merged, adapter } = context;
  const typeOf = (await format.typeOfWeights?.(context)) ?? allOf(type);
  const shapes = parameterShapes(base.config);
  for (const name of adapter.keys())
    if (!(await isUnchanged(base.weights[name]!, merged.weights[name]!, typeOf(name, shapes.get(name)!)))) return;
  throw new AppError(
    "E_MISMATCH",
    `the merge changes no weight: expected an adapter that does${type === "f32" ? "" : ` in ${type}`}, found one that leaves all ${adapter.size} as they are`,
  );
}

/** Logits of what a reader should find, and how far rounding the weights moved them. */
async function storedLogits(format: ExportFormat, context: ExportContext) {
  const { merged, base } = context;
  const exact = await logitsOfProbes(base.config, () => reloadModel(merged));
  const stored = (await format.stored?.(context)) ?? {
    config: merged.config,
    weights: await weightsAsStored(format, context),
  };
  const isExact = Object.entries(stored.weights).every(([name, source]) => merged.weights[name] === source);
  if (isExact) return { wanted: exact, rounding: 0 };
  const wanted = await logitsOfProbes(base.config, () => reloadModel(stored));
  return { wanted, rounding: compareLogits(exact, wanted).largestDifference };
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
