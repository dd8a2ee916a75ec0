/** @file A model directory explained: its shape, its weights, its hash. */
import { openGguf } from "../../files/gguf/read.ts";
import { openSafetensorsModel } from "../../files/safetensors-model.ts";
import type { Model } from "../../models/model.ts";
import { openModel } from "../../models/model-file.ts";
import type { ResolvedQuantization } from "../../models/quantized/layout.ts";
import { type MergeRecord, readMergeRecord } from "../../models/save-merged.ts";
import { formatBytes, formatCount } from "../format.ts";
import { facts, type Inspection } from "./inspection.ts";
import { describeDtypes, dtypesOf } from "./safetensors.ts";

export type ModelSummary = {
  readonly directory: string;
  readonly modelType: string;
  readonly parameters: number;
  readonly bytes: number;
  readonly dtypes: Readonly<Record<string, number>>;
  readonly sha256: string;
  /** Of a quantised directory's own weight files. */
  readonly weightsSha256?: string;
  readonly layers: number;
  readonly hidden: number;
  readonly ffn: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocab: number;
  readonly context: number;
  readonly tied: boolean;
  /** Where its weights are quantised. */
  readonly quantization?: ResolvedQuantization;
  /** Where an adapter is merged into it. */
  readonly merge?: MergeRecord;
};

export async function inspectModel(directory: string): Promise<Inspection> {
  const summary = await summarizeModel(await openModel(directory));
  return {
    json: { kind: "model", ...summary },
    lines: (colors) => [
      colors.bold(`${directory}: a ${summary.modelType} model of ${formatCount(summary.parameters)} parameters`),
      "",
      ...facts(modelFacts(summary)),
    ],
  };
}

/** What is worth knowing about an opened model. */
export async function summarizeModel(model: Model): Promise<ModelSummary> {
  const { directory, config, sha256, weightsSha256, parameterCount, quantization } = model;
  const merge = await readMergeRecord(directory);
  const { modelType, layers, hidden, ffn, heads, kvHeads, headDim, vocab, context, tied } = config;
  return {
    directory,
    modelType,
    parameters: parameterCount,
    ...(await weightsIn(directory)),
    sha256,
    ...(weightsSha256 === undefined ? {} : { weightsSha256 }),
    layers,
    hidden,
    ffn,
    heads,
    kvHeads,
    headDim,
    vocab,
    context,
    tied,
    ...(quantization === undefined ? {} : { quantization }),
    ...(merge === undefined ? {} : { merge }),
  };
}

/** The files of a model's weights: their size, and how many values they hold of each type. */
async function weightsIn(path: string): Promise<Pick<ModelSummary, "bytes" | "dtypes">> {
  if (path.endsWith(".gguf")) {
    const { fileBytes, tensors } = await openGguf(path);
    return {
      bytes: fileBytes,
      dtypes: dtypesOf([...tensors.values()].map(({ type, shape }) => ({ dtype: type, shape }))),
    };
  }
  const { files, tensors } = await openSafetensorsModel(path);
  return { bytes: files.reduce((sum, { fileBytes }) => sum + fileBytes, 0), dtypes: dtypesOf([...tensors.values()]) };
}

export const describeQuantization = ({ bits, symmetric, blockSize, tableBlockSize }: ResolvedQuantization): string =>
  `layers to int${bits} in blocks of ${blockSize}, embeddings and head to int8 in blocks of ${tableBlockSize}${symmetric ? "" : ", with zero points"}`;

export const modelFacts = (summary: ModelSummary): (readonly [string, string])[] => [
  ["layers", `${summary.layers} of width ${summary.hidden}, feed-forward ${summary.ffn}`],
  ["attention", `${summary.heads} heads of ${summary.headDim}, ${summary.kvHeads} for keys and values`],
  ["vocabulary", `${summary.vocab} tokens, head ${summary.tied ? "tied to the embedding" : "of its own"}`],
  ["context", `${summary.context} tokens`],
  ["weights", `${formatBytes(summary.bytes)}, ${describeDtypes(summary.dtypes)}`],
  ...(summary.quantization === undefined ? [] : [["quantised", describeQuantization(summary.quantization)] as const]),
  ["sha256", summary.sha256],
  ...(summary.weightsSha256 === undefined ? [] : [["weights' sha256", summary.weightsSha256] as const]),
  ...(summary.merge === undefined ? [] : mergeFacts(summary.merge)),
];

const adapterNames = {
  specialization: "a specialisation",
  peft: "a PEFT adapter",
  svf: "a skill of Transformer²",
} as const;

/** What was merged, and into what: `loragen unmerge` asks for the model of these hashes. */
export const mergeFacts = (record: MergeRecord): (readonly [string, string])[] => [
  ["merged", `${adapterNames[record.kind]} at strength ${record.scale}, sha256 ${record.adapter_sha256}`],
  ["into model", record.base_sha256],
  ...(record.base_weights_sha256 === undefined ? [] : [["into codes", record.base_weights_sha256] as const]),
];
