/** @file A pair's edge side from wherever its files can be read: all that specialised models need, without the cloud model. */
import { AppError } from "../base/errors.ts";
import { checkSchema, type JsonLimits, parseJson } from "../base/json.ts";
import { decodeUtf8 } from "../base/utf8.ts";
import { parseSafetensors } from "../files/safetensors-bytes.ts";
import { parseModelConfig } from "../models/config-json.ts";
import { firstLayersConfig } from "../models/first-layers.ts";
import { modelFromBytes } from "../models/model.ts";
import { createTokenizer } from "../text/tokenizer.ts";
import { tokenizerLimits } from "../text/tokenizer-json.ts";
import { GeneratorFile, generatorFileNames, generatorTensors } from "./generator.ts";
import { scaleRows } from "./int8-rows.ts";
import { type EdgePair, PairFile, pairFileName, requireEmbeddings } from "./pair.ts";

/** Reads a file of a pair, named from the pair's folder: `edge/config.json`. Throws E_NOT_FOUND, E_IO. */
export type ReadFile = (path: string) => Promise<Uint8Array>;

/**
 * Reads the edge model, the generator and the tokenizer whole, and of the cloud model its `config.json` only. The edge model is one
 * `model.safetensors`; its weights become fp32 in memory.
 * @throws E_NOT_FOUND, E_IO, E_FORMAT, E_SHAPE, E_DTYPE, E_ARCHITECTURE, E_MISMATCH: naming the file
 */
export async function loadEdgePair(read: ReadFile): Promise<EdgePair> {
  const json = async (path: string, limits: JsonLimits = {}) =>
    parseJson(decodeUtf8(await read(path), path), { what: path, ...limits });
  const file = checkSchema(await json(pairFileName), PairFile, { what: pairFileName });
  const at = (part: "cloud" | "edge" | "generator" | "tokenizer", name: string) => `${file[part] ?? part}/${name}`;
  const config = async (part: "cloud" | "edge") => {
    const path = at(part, "config.json");
    return parseModelConfig(path, await json(path));
  };
  const paths = {
    edge: at("edge", "model.safetensors"),
    generator: at("generator", generatorFileNames.weights),
    generatorConfig: at("generator", generatorFileNames.config),
    tokenizer: at("tokenizer", "tokenizer.json"),
    tokenizerConfig: at("tokenizer", "tokenizer_config.json"),
  };
  const [cloud, claimed, edgeBytes, generatorBytes, generatorJson, tokenizerJson, tokenizerConfig] = await Promise.all([
    config("cloud"),
    config("edge"),
    read(paths.edge),
    read(paths.generator),
    json(paths.generatorConfig),
    json(paths.tokenizer, tokenizerLimits),
    json(paths.tokenizerConfig, tokenizerLimits),
  ]);
  const names = { name: paths.tokenizer, configName: paths.tokenizerConfig };
  const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig, names);
  const model = modelFromBytes(claimed, parseSafetensors(edgeBytes, paths.edge));
  requireEmbeddings(paths.edge, model.config, tokenizer);
  const { generator } = checkSchema(generatorJson, GeneratorFile, { what: paths.generatorConfig });
  const readCloud = firstLayersConfig(cloud, generator.cloudLayers, `${paths.generatorConfig}: cloudLayers`);
  const shape = { cloud: readCloud, edge: model.config, generator };
  const weights = parseSafetensors(generatorBytes, paths.generator);
  const tensors = new Map(
    generatorTensors(paths.generator, weights.tensors, shape).map(({ name, scales }) => [
      name,
      scales === undefined ? weights.floats(name) : scaleRows(weights.floats(name), weights.floats(scales)),
    ]),
  );
  return {
    name: file.name,
    edge: { ...model, sha256: await sha256(edgeBytes) },
    generator: { config: generator, tensors, sha256: await sha256(generatorBytes) },
    tokenizer,
    layout: file.layout,
    shape,
    confidenceTemperature: file.confidenceTemperature,
  };
}

/** As lower-case hexadecimal. */
async function sha256(bytes: Uint8Array): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined)
    throw new AppError("E_RUNTIME", "no SHA-256: expected a page from https or localhost, which browsers call secure");
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
