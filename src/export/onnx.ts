/** @file Export as the ONNX directory that transformers.js and onnxruntime-web run: a decoder with its cache, tokenizer, configurations. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ensureFolder } from "../base/folder.ts";
import { writeJsonFile } from "../base/json-file.ts";
import { architectures } from "../models/architectures/index.ts";
import type { ModelConfig, ModelType } from "../models/config.ts";
import { writeConfigFile } from "../models/config-file.ts";
import { toConfigJson } from "../models/config-json.ts";
import { copyTokenizer } from "../models/copy-tokenizer.ts";
import { convolves } from "../models/parameters.ts";
import { quantizations, quantizedLayout } from "../models/quantized/layout.ts";
import { quantizeModel } from "../models/quantized/quantize-model.ts";
import { mergeRecordKey } from "../models/save-merged.ts";
import { openOnnxFile } from "../runtime/onnx-file.ts";
import { floats, intTensor, type Tensor, tensor, zeros } from "../runtime/tensor.ts";
import { loadTokenizer, tokenizerWithin } from "../text/tokenizer-file.ts";
import type { ExportContext, ExportFormat, Reloaded, WeightType } from "./format.ts";
import { generationConfig, onnxCacheNames, onnxInputNames } from "./onnx-graph.ts";
import { writeOnnxModel } from "./onnx-model.ts";

/** What transformers.js loads for `dtype: "fp32"`, `"fp16"` and `"q8"`. */
const fileNames: Readonly<Partial<Record<WeightType, string>>> = {
  f32: "model.onnx",
  f16: "model_fp16.onnx",
  q8_0: "model_quantized.onnx",
};
const fileNameOf = (type: WeightType | undefined): string => fileNames[type ?? "f32"]!;

export const onnxDirectory: ExportFormat = {
  about: "merged ONNX directory with a key–value cache",
  tool: "transformers.js",
  constraintAs: "schema",
  templateAs: "file",
  architectures: Object.keys(architectures) as ModelType[],
  types: ["f32", "f16", "q8_0"],
  typeOfWeights: async ({ type = "f32", merged }) => {
    const tables = quantizedLayout(merged.config, quantizations.int8);
    return (name) => (type !== "q8_0" ? type : tables(name.replace(/\.weight$/, "")) === undefined ? "f32" : "q8_0");
  },
  stored: ({ type, merged }) => (type === "q8_0" ? quantizeModel(merged, quantizations.int8) : undefined),
  write: writeOnnxDirectory,
  reload: ({ directory, type, merged }) => reloadOnnx(join(directory, "onnx", fileNameOf(type)), merged.config),
};

async function writeOnnxDirectory({ directory, type, base, merged, record, ...rest }: ExportContext): Promise<void> {
  const folder = join(directory, "onnx");
  const name = fileNameOf(type);
  await ensureFolder(folder);
  const model = type === "q8_0" ? await quantizeModel(merged, quantizations.int8) : merged;
  const files = await writeOnnxModel(folder, name, model, { isHalf: type === "f16" });
  await writeConfigFile(directory, {
    ...toConfigJson(merged.config),
    ...(files === 0 ? {} : { "transformers.js_config": { use_external_data_format: { [name]: files } } }),
    [mergeRecordKey.config]: record,
  });
  const beside = await stat(join(base.directory, "tokenizer.json")).catch(() => undefined);
  const own = beside === undefined ? await tokenizerWithin(base.directory) : base.directory;
  const { padId } = await loadTokenizer(own ?? rest.tokenizerDirectory);
  await writeJsonFile(join(directory, "generation_config.json"), generationConfig(merged.config, padId));
  await copyTokenizer(directory, [base.directory, rest.tokenizerDirectory]);
}

/**
 * Opens such a decoder as others do: its cache starts empty and grows. Ids are fed in two parts, so that logits that went through the
 * cache are among those compared.
 */
export async function reloadOnnx(path: string, config: ModelConfig): Promise<Reloaded> {
  const session = await openOnnxFile(path);
  async function logits(ids: readonly number[]): Promise<Float32Array> {
    const split = Math.ceil(ids.length / 2);
    const rows: Float32Array[] = [];
    let cache = emptyCache(config);
    for (const [from, to] of [
      [0, split],
      [split, ids.length],
    ] as const) {
      if (to === from) continue;
      const shape = [1, to - from];
      const results = await session.run({
        ...cache,
        input_ids: intTensor(shape, ids.slice(from, to)),
        position_ids: intTensor(
          shape,
          Array.from({ length: to - from }, (_, i) => from + i),
        ),
        attention_mask: tensor("i64", [1, to], new BigInt64Array(to).fill(1n)),
      });
      rows.push(floats(results["logits"]));
      cache = nextCache(config, results);
    }
    const all = new Float32Array(ids.length * config.vocab);
    rows.forEach((row, i) => {
      all.set(row, i * split * config.vocab);
    });
    return all;
  }
  return { logits, [Symbol.asyncDispose]: () => session[Symbol.asyncDispose]() };
}

type Cache = Record<string, Tensor>;

function emptyCache(config: ModelConfig): Cache {
  const { layers, kvHeads, headDim, hidden, convolution } = config;
  const cache: Cache = {};
  for (let layer = 0; layer < layers; layer++) {
    const { pastK, pastV } = onnxCacheNames(layer);
    if (convolves(config, layer)) cache[onnxInputNames(layer).past] = zeros("f32", [1, hidden, convolution!.width]);
    else cache[pastK] = cache[pastV] = zeros("f32", [1, kvHeads, 0, headDim]);
  }
  return cache;
}

function nextCache(config: ModelConfig, results: Readonly<Record<string, Tensor>>): Cache {
  const cache: Cache = {};
  for (let layer = 0; layer < config.layers; layer++) {
    const { pastK, pastV, presentK, presentV } = onnxCacheNames(layer);
    const { past, present } = onnxInputNames(layer);
    if (convolves(config, layer)) cache[past] = results[present]!;
    else [cache[pastK], cache[pastV]] = [results[presentK]!, results[presentV]!];
  }
  return cache;
}
