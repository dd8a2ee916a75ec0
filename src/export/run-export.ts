/** @file One export from beginning to end: merge, write, reload, compare, and only then give it its name. */
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { AppError } from "../base/errors.ts";
import { readJsonFile, writeJsonFile } from "../base/json-file.ts";
import type { ConstraintSpec } from "../constraint/spec.ts";
import { compareLogits } from "../decode/compare-logits.ts";
import { type Adapter, adapterRank } from "../lora/low-rank.ts";
import { applyAdapter } from "../models/apply-adapter.ts";
import type { ModelConfig } from "../models/config.ts";
import { scaleAdapter } from "../models/merge-adapter.ts";
import type { Model } from "../models/model.ts";
import { type MergeRecord, refuseMerged, storedDtype } from "../models/save-merged.ts";
import type { PromptLayout } from "../text/prompt.ts";
import { tokenizerLimits } from "../text/tokenizer-json.ts";
import { modelAsStored } from "./as-stored.ts";
import { exportedTemplate } from "./exported-template.ts";
import {
  constraintFiles,
  createSteps,
  type ExportContext,
  type ExportFormat,
  type StepOptions,
  type WeightType,
} from "./format.ts";
import type { RunningLlamaCpp, TokenCheck } from "./gguf-tokens.ts";
import { listFiles, type WrittenFile, withNewFolder } from "./new-folder.ts";
import { exportTolerance, logitsOfProbes, probePositions } from "./probes.ts";
import { reloadModel } from "./reload.ts";
import { requireChange, storedTypes as storedWeightTypes } from "./require-change.ts";
import { requireClose } from "./require-close.ts";
import { shareArrived } from "./share-arrived.ts";

export type ExportRequest = StepOptions & {
  readonly out: string;
  readonly base: Model;
  readonly adapter: Adapter;
  /** Weights in place of the base model's, of an adapter that is more than low-rank changes. */
  readonly whole?: ReadonlyMap<string, Float32Array> | undefined;
  /** Strength: 1 is the adapter as it is. */
  readonly scale: number;
  readonly type?: WeightType | undefined;
  readonly kind: MergeRecord["kind"];
  readonly adapterSha256: string;
  readonly name: string;
  readonly baseName: string;
  readonly tokenizerDirectory: string;
  /** How the pair of a specialisation writes its inputs, so that other programs write them so too. */
  readonly layout?: PromptLayout | undefined;
  /** Whether an adapter gets its base model beside it. */
  readonly withBase?: boolean | undefined;
  /** What answers must be: written beside the export, as what its tool reads. */
  readonly constraint?: ConstraintSpec | undefined;
  /** llama.cpp where it runs already, for many exports; else each that writes a tokenizer anew starts one to check its tokens. */
  readonly llamaCpp?: RunningLlamaCpp | undefined;
};

/** What is exported, before it is said where to and how. */
export type ExportSource = Pick<
  ExportRequest,
  | "base"
  | "adapter"
  | "constraint"
  | "whole"
  | "kind"
  | "adapterSha256"
  | "name"
  | "baseName"
  | "tokenizerDirectory"
  | "layout"
>;

export type ExportResult = {
  readonly out: string;
  readonly files: readonly WrittenFile[];
  readonly type: WeightType;
  readonly rank: number;
  readonly scale: number;
  /**
   * Between the logits of the merged model, its weights rounded to the type, and of what was written, over `positions` positions. On
   * quantised weights both have the adapter beside them.
   */
  readonly largestDifference: number;
  readonly largestLogit: number;
  readonly positions: number;
  /** Of the largest logit. */
  readonly tolerance: number;
  /** How far rounding the weights to the type moves logits. */
  readonly rounding: number;
  /** The share of the adapter that is in merged weights once they are rounded; undefined where none is rounded, or none merged. */
  readonly arrived?: number | undefined;
  /** On how many texts the tokenizer that was written makes the same tokens, and by whom; undefined where none was written anew. */
  readonly tokens?: TokenCheck | undefined;
  /** Where the chat template lies that leaves out the default system prompt, as the pair does; undefined where it needs none. */
  readonly template?: ExportFormat["templateAs"] | undefined;
};

/** What can be refused before a model is opened. Throws E_USAGE for a type, or a base model beside the adapter, that the format does not have. */
export function requireFitting(
  { types, canHoldBase }: ExportFormat,
  { type, withBase = false }: Pick<ExportRequest, "type" | "withBase">,
): void {
  if (withBase && canHoldBase !== true)
    throw new AppError("E_USAGE", "this format does not hold a base model; expected one that does: gguf");
  if (type !== undefined && !types.includes(type))
    throw new AppError("E_USAGE", `type: this format has ${types.join(", ")}, found ${type}`);
}

/**
 * Writes an export into a new folder and verifies it.
 * @throws E_ARCHITECTURE where the tool does not support the model; E_USAGE for a type the format does not have; E_CONFIG for a format of
 * merged weights where those of the base are quantised, and for one of adapters where the adapter is more than low-rank changes; E_MISMATCH for a base that is a merge already, for an adapter that changes nothing, and for an export whose logits are beyond the tolerance: then nothing is left
 */
export async function runExport(format: ExportFormat, request: ExportRequest): Promise<ExportResult> {
  const { base, scale, out, withBase = false } = request;
  const step = createSteps(request);
  requireSupport(format, base.config);
  requireFitting(format, request);
  if (format.typeOfWeights !== undefined || withBase) requireDense(base);
  const whole = request.whole ?? new Map<string, Float32Array>();
  requireWhole(format, whole, scale);
  const type = await resolveType(format, request.type, base);
  await refuseMerged(base);
  return withNewFolder(out, async (directory) => {
    step("merge");
    const adapter = scaleAdapter(request.adapter, scale);
    const merged = await applyAdapter(base, adapter);
    for (const [weight, data] of whole) merged.weights[weight] = { kind: "data", data };
    const { kind, adapterSha256, name, baseName, tokenizerDirectory, layout, llamaCpp } = request;
    const record: MergeRecord = { base_sha256: base.sha256, kind, adapter_sha256: adapterSha256, scale };
    const context = {
      directory,
      type: format.keepsTypes === true ? request.type : type,
      base,
      adapter,
      merged,
      record,
      name,
      baseName,
      tokenizerDirectory,
      chatTemplate: layout && (await exportedTemplate(tokenizerDirectory, layout)),
      withBase,
      llamaCpp,
    };
    await requireChange(format, context, type);
    const isMerged = format.typeOfWeights !== undefined;
    const arrived = isMerged
      ? await shareArrived(context, await storedWeightTypes(format, context, type), request.signal)
      : undefined;
    step("write");
    await format.write(context);
    if (request.constraint !== undefined) await writeConstraint(format, directory, request.constraint);
    if (context.chatTemplate !== undefined && format.templateAs === "file")
      await writeTemplate(directory, context.chatTemplate);
    step("verify");
    const tokens = await format.checkTokens?.(context);
    const { wanted, rounding } = await storedLogits(format, context);
    for (const weight of [...adapter.keys(), ...whole.keys()]) delete merged.weights[weight]; // they would lie in memory twice
    const found = await logitsOfProbes(base.config, () => format.reload(context));
    const { largestDifference, largestLogit } = compareLogits(wanted, found);
    requireClose({ largestDifference, largestLogit }, exportTolerance, nameOfMerged(base, type));
    return {
      out,
      files: await listFiles(directory),
      type,
      rank: adapterRank(adapter),
      scale,
      largestDifference,
      largestLogit,
      rounding,
      arrived,
      tokens,
      template: context.chatTemplate === undefined ? undefined : format.templateAs,
      positions: probePositions(base.config),
      tolerance: exportTolerance,
    };
  });
}

/** Beside an export: the chat template of inputs as the pair writes them. */
const templateFile = "chat_template.jinja";

async function writeConstraint({ constraintAs }: ExportFormat, directory: string, spec: ConstraintSpec): Promise<void> {
  const { name, write } = constraintFiles[constraintAs];
  await writeFileAtomic(join(directory, name), write(spec));
}

/** As the file that transformers and vLLM read first, and in the field that older readers know, where the tokenizer is there too. */
async function writeTemplate(directory: string, template: string): Promise<void> {
  await writeFileAtomic(join(directory, templateFile), template);
  const path = join(directory, "tokenizer_config.json");
  if (!(await listFiles(directory)).some(({ name }) => name === "tokenizer_config.json")) return;
  const config = await readJsonFile(path, z.looseObject({}), tokenizerLimits);
  if (config["chat_template"] !== undefined) await writeJsonFile(path, { ...config, chat_template: template });
}

const nameOfMerged = ({ quantization }: Model, type: WeightType): string => {
  const name = quantization === undefined ? "the merged model" : "the quantised model with the adapter beside it";
  return type === "f32" ? name : `${name} rounded to ${type}`;
};

function requireSupport({ architectures, tool }: ExportFormat, { modelType }: ModelConfig): void {
  if (!architectures.includes(modelType))
    throw new AppError(
      "E_ARCHITECTURE",
      `${tool} does not support ${modelType}; it supports: ${architectures.join(", ")}`,
    );
}

/** Throws E_CONFIG where the weights that a format holds are quantised. */
function requireDense({ directory, quantization, blocks }: Model): void {
  if (blocks !== undefined)
    throw new AppError(
      "E_CONFIG",
      `${directory}: is held in its own blocks, and this export needs it widened: keepBlocks: false`,
    );
  if (quantization === undefined) return;
  throw new AppError(
    "E_CONFIG",
    `${directory}: quantised to ${quantization.bits} bits, and this export holds the weights of a model: expected the adapter alone (format peft, or gguf without its base), a merge that is quantised again (\`loragen merge --requantize\`), or the model that it was made from`,
  );
}

/** Throws where weights are replaced: E_CONFIG for a format of low-rank changes, E_USAGE for a strength, which a replaced weight has not. */
function requireWhole(format: ExportFormat, whole: ReadonlyMap<string, Float32Array>, scale: number): void {
  if (whole.size === 0) return;
  const names = [...whole.keys()].slice(0, 10).join(", ");
  if (format.typeOfWeights === undefined)
    throw new AppError(
      "E_CONFIG",
      `${names}: the adapter is more there than a low-rank change of a linear map, which this format cannot hold; expected a format of merged weights: merged, gguf-merged or onnx`,
    );
  if (scale !== 1)
    throw new AppError(
      "E_USAGE",
      `scale: the adapter replaces ${names}, which has no strength; expected 1, found ${scale}`,
    );
}

async function resolveType(format: ExportFormat, asked: WeightType | undefined, base: Model): Promise<WeightType> {
  const { types, keepsTypes } = format;
  if (asked !== undefined) return asked;
  return keepsTypes === true ? storedTypes[await storedDtype(base)] : types[0]!;
}
const storedTypes = { F32: "f32", F16: "f16", BF16: "bf16" } as const;

/** Logits of what a reader should find, and how far rounding the weights moved them. */
async function storedLogits(format: ExportFormat, context: ExportContext) {
  const { merged, base } = context;
  const exact = await logitsOfProbes(base.config, () => reloadModel(merged));
  const stored = (await format.stored?.(context)) ?? (await modelAsStored(format, context));
  const isExact =
    stored.adapter === merged.adapter &&
    Object.entries(stored.weights).every(([name, source]) => merged.weights[name] === source);
  if (isExact) return { wanted: exact, rounding: 0 };
  const wanted = await logitsOfProbes(base.config, () => reloadModel(stored));
  return { wanted, rounding: compareLogits(exact, wanted).largestDifference };
}
