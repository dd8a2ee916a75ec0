/** @file A model directory opened for use: its shape, and where each of its weights lies. */
import { join } from "node:path";
import { ensureFolder } from "../base/folder.ts";
import { float32ToFloat16 } from "../base/half.ts";
import { sha256Files } from "../base/hash-file.ts";
import { openSafetensorsModel, type SafetensorsModel } from "../files/safetensors-model.ts";
import { type TensorToWrite, writeSafetensors } from "../files/safetensors-write.ts";
import type { WeightSource } from "../runtime/session.ts";
import { asParameters, checkpointTensors, joinParts } from "./checkpoint.ts";
import type { ModelConfig } from "./config.ts";
import { readModelConfig, writeConfigFile } from "./config-file.ts";
import { toConfigJson } from "./config-json.ts";
import { openGgufModel } from "./gguf/model-file.ts";
import type { Model } from "./model.ts";
import { parameterShapes } from "./parameters.ts";
import { openQuantizedDirectory, readQuantized } from "./quantized/directory-file.ts";
import { type Quantization, resolveQuantization, sourcesOf, storedWeights } from "./quantized/layout.ts";
import { quantizeModel } from "./quantized/quantize-model.ts";
import { widenQuantized } from "./quantized/widen.ts";
import { ropeWeights, withinRopeLimit } from "./rope.ts";
import { requireWeight } from "./safetensors-weight.ts";

export type OpenOptions = {
  /** Quantises the weights as they are read, one at a time. */
  readonly quantize?: Quantization | undefined;
  /** Holds the weights of a GGUF file in its own blocks where that can be done bit for bit, unless they are quantised anew. */
  readonly keepBlocks?: boolean | undefined;
  /** Widens quantised weights again: products with codes round their inputs to int8, products in fp32 do not. */
  readonly exact?: boolean | undefined;
};

/**
 * Opens a model directory. Weights stay in their files and are mapped; sessions widen those in fp16 and bf16, one at a time.
 * @throws E_NOT_FOUND, E_FORMAT, E_ARCHITECTURE, E_DTYPE, E_SHAPE: naming the file and the tensor; of a quantised model E_CONFIG where
 * it is so in another way than asked for, E_MISMATCH where its weights are not those that were written
 */
export async function openModel(directory: string, { exact = false, ...options }: OpenOptions = {}): Promise<Model> {
  if (!exact) return openAsHeld(directory, options);
  const model = await openAsHeld(directory, { ...options, keepBlocks: false });
  const { quantization } = model;
  return quantization === undefined ? model : { ...(await widenQuantized(model)), widenedFrom: quantization };
}

async function openAsHeld(directory: string, { quantize, keepBlocks = false }: OpenOptions): Promise<Model> {
  if (directory.endsWith(".gguf")) {
    const model = await openGgufFile(directory, keepBlocks && quantize === undefined);
    return quantize === undefined ? model : quantizeModel(model, quantize);
  }
  const config = withinRopeLimit(await readModelConfig(directory));
  const parameterCount = countParameters(config);
  const stored = await openQuantizedDirectory(directory, config, quantize);
  if (stored !== undefined)
    return { ...stored, directory, config, parameterCount, weights: { ...ropeWeights(config), ...stored.weights } };
  const files = asParameters(directory, config, await openSafetensorsModel(directory));
  const weights = ropeWeights(config);
  if (quantize !== undefined)
    for (const weight of storedWeights(config, quantize))
      Object.assign(weights, Object.fromEntries(sourcesOf(weight, await readQuantized(directory, files, weight))));
  else for (const [name, shape] of parameterShapes(config)) weights[name] = locateWeight(directory, files, name, shape);
  const sha256 = await sha256Files(files.files.map(({ path }) => path));
  return {
    directory,
    config,
    weights,
    sha256,
    parameterCount,
    quantization: quantize && resolveQuantization(config, quantize),
  };
}

const countParameters = (config: ModelConfig): number =>
  [...parameterShapes(config).values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** The same for a GGUF file in place of a directory. */
async function openGgufFile(path: string, keepBlocks: boolean): Promise<Model> {
  const { config: claimed, weights, sha256, blocks } = await openGgufModel(path, { keepBlocks });
  const config = withinRopeLimit(claimed);
  const parameterCount = countParameters(config);
  return { directory: path, config, weights: { ...ropeWeights(config), ...weights }, sha256, parameterCount, blocks };
}

function locateWeight(
  directory: string,
  files: SafetensorsModel,
  name: string,
  shape: readonly number[],
): WeightSource {
  const info = files.tensors.get(name);
  requireWeight(info?.path ?? directory, info, name, shape);
  const { path, offset, bytes, dtype } = info;
  if (dtype === "F32") return { kind: "file", path, offset, bytes };
  return { kind: "file", path, offset, bytes, storedAs: dtype === "F16" ? "f16" : "bf16" };
}

export type WeightDtype = "F32" | "F16";

/** Writes `config.json` and `model.safetensors` as transformers reads them. */
export async function saveModel(
  directory: string,
  config: ModelConfig,
  tensors: ReadonlyMap<string, Float32Array>,
  { dtype = "F32" }: { dtype?: WeightDtype } = {},
): Promise<void> {
  const read = async (name: string) => {
    const values = tensors.get(name);
    if (values === undefined) throw new Error(`internal: no values for "${name}"`);
    return values;
  };
  const entries: TensorToWrite[] = [];
  for (const tensor of checkpointTensors(config)) {
    const values = await joinParts(tensor, read);
    const { name, shape } = tensor;
    entries.push({ name, dtype, shape, data: dtype === "F32" ? values : float32ToFloat16(values) });
  }
  await ensureFolder(directory);
  await writeSafetensors(join(directory, "model.safetensors"), entries, { format: "pt" });
  await writeConfigFile(directory, {
    ...toConfigJson(config),
    torch_dtype: dtype === "F32" ? "float32" : "float16",
  });
}
