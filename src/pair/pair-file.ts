/** @file A pair on disk: `pair.json` beside a cloud model, an edge model, a generator and the tokenizer they share. */
import { access, stat } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { AppError } from "../base/errors.ts";
import { readJsonFile, writeJsonFile } from "../base/json-file.ts";
import type { ResolveModel } from "../hub/resolve.ts";
import { firstLayers } from "../models/first-layers.ts";
import type { Model } from "../models/model.ts";
import type { Quantization } from "../models/quantized/layout.ts";
import { openTwo } from "../models/two-models-file.ts";
import type { PromptLayout } from "../text/prompt.ts";
import { isGguf, loadTokenizer, type Tokenizer, tokenizerWithin } from "../text/tokenizer-file.ts";
import { foreignModels } from "./generator.ts";
import { readGenerator, readGeneratorConfig } from "./generator-file.ts";
import { type KnownPrompts, knownPromptsName, requireMeasuredWith, requireStatesOf } from "./known-prompts.ts";
import { readKnownPrompts } from "./known-prompts-file.ts";
import { confidenceTemperatures, type EdgePair, PairFile, pairFileName, requireEmbeddings } from "./pair.ts";

export type { PairFile } from "./pair.ts";

export type Pair = EdgePair & {
  readonly directory: string;
  /** Its first layers, where the generator reads no others. */
  readonly cloud: Model;
  readonly edge: Model;
  /** How the cloud model reads prompts: as the edge model does, unless the pair says otherwise. */
  readonly cloudTokenizer: Tokenizer;
  /** Where the edge model's tokenizer lies. */
  readonly tokenizerPath: string;
  readonly cloudLayout: PromptLayout;
  /** Which prompts its generator knows, where that was measured. */
  readonly known?: KnownPrompts | undefined;
};

export type PairOptions = {
  /** Quantises a model as it is read. */
  readonly quantize?: { readonly cloud?: Quantization | undefined; readonly edge?: Quantization | undefined };
  /** Holds weights of a GGUF file in its own blocks where that can be done bit for bit; on unless it is switched off. */
  readonly keepBlocks?: boolean | undefined;
  /** Holds all weights in fp32, so that no input of a product is rounded: quantised ones have the values of their codes. */
  readonly exact?: boolean | undefined;
  /** Reads which prompts the generator knows, where its folder says it; on unless it is switched off. */
  readonly readKnown?: boolean | undefined;
  /** Finds models that the pair names by their ids on the hub. */
  readonly resolveModel?: ResolveModel | undefined;
  /** Told where the generator meets other weights than it was trained over: a converted copy answers as well, another model does not. */
  readonly warn?: ((message: string) => void) | undefined;
};

/** Opens a pair. Throws E_NOT_FOUND, E_CONFIG, E_FORMAT, E_SHAPE or E_ARCHITECTURE, naming the file. */
export async function loadPair(
  directory: string,
  { quantize = {}, keepBlocks = true, exact = false, readKnown = true, resolveModel, warn }: PairOptions = {},
): Promise<Pair> {
  await requirePairFolder(directory);
  const file = await readJsonFile(join(directory, pairFileName), PairFile);
  const generatorFolder = join(directory, file.generator);
  const cloudPath = await locate(directory, file.cloud, resolveModel);
  const edgePath = await locate(directory, file.edge, resolveModel);
  const { edge: tokenizerPath, cloud: cloudTokenizerPath } = await locateTokenizers(directory, file, {
    cloud: cloudPath,
    edge: edgePath,
  });
  const [[wholeCloud, edge], tokenizer, config] = await Promise.all([
    openTwo(
      { path: cloudPath, quantize: quantize.cloud, keepBlocks, exact },
      { path: edgePath, quantize: quantize.edge, keepBlocks, exact },
    ),
    loadTokenizer(tokenizerPath),
    readGeneratorConfig(generatorFolder),
  ]);
  const cloud = firstLayers(wholeCloud, config.cloudLayers, `${generatorFolder}: cloudLayers`);
  const cloudTokenizer = cloudTokenizerPath === tokenizerPath ? tokenizer : await loadTokenizer(cloudTokenizerPath);
  requireEmbeddings(cloudPath, cloud.config, cloudTokenizer);
  requireEmbeddings(edgePath, edge.config, tokenizer);
  const shape = { cloud: cloud.config, edge: edge.config, generator: config };
  const generator = await readGenerator(generatorFolder, shape);
  for (const message of foreignModels(generator, { cloud, edge })) warn?.(`${directory}: ${message}`);
  const known = readKnown ? await readKnownPrompts(generatorFolder) : undefined;
  if (known !== undefined) {
    const path = join(generatorFolder, knownPromptsName);
    requireMeasuredWith(path, known, { generatorSha256: generator.sha256, cloudSha256: cloud.sha256 });
    requireStatesOf(path, known, cloud);
  }
  const { name, layout, cloudLayout = layout, confidenceTemperature } = file;
  return {
    directory,
    name,
    cloud,
    edge,
    generator,
    tokenizer,
    tokenizerPath,
    layout,
    cloudTokenizer,
    cloudLayout,
    shape,
    confidenceTemperature,
    known,
  };
}

/** The folder of a pair's generator. Throws E_NOT_FOUND or E_FORMAT for what is no pair. */
export async function generatorFolderOf(directory: string): Promise<string> {
  await requirePairFolder(directory);
  return join(directory, (await readJsonFile(join(directory, pairFileName), PairFile)).generator);
}

const whatPairsAre = `expected a pair: a folder with ${pairFileName}, which names a cloud model, an edge model and a generator that was trained over them with \`loragen train\``;

/** Throws E_FORMAT for a file in the place of a pair, E_NOT_FOUND for a folder that is none, saying what a pair is. */
async function requirePairFolder(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (found?.isFile() === true) {
    const use = isGguf(directory) ? ". A GGUF file is a model: it may be the cloud and the edge of a pair" : "";
    throw new AppError("E_FORMAT", `${directory}: is a file; ${whatPairsAre}${use}`);
  }
  if (found?.isDirectory() === true && (await stat(join(directory, pairFileName)).catch(() => undefined)) === undefined)
    throw new AppError("E_NOT_FOUND", `${directory}: has no ${pairFileName}; ${whatPairsAre}`);
}

/** Where a part lies: inside the pair, or wherever the resolver has what it names. */
async function locate(directory: string, name: string, resolveModel: ResolveModel | undefined): Promise<string> {
  if (!name.includes("/")) return join(directory, name);
  if (resolveModel === undefined)
    throw new AppError(
      "E_CONFIG",
      `${join(directory, pairFileName)}: ${name} is on the hub, and no resolver was given`,
    );
  return resolveModel(name);
}

/** Where the tokenizers lie: what `pair.json` names, else the folder that pairs have, else what the models have of their own. */
async function locateTokenizers(
  directory: string,
  file: z.output<typeof PairFile>,
  models: { readonly cloud: string; readonly edge: string },
): Promise<{ readonly cloud: string; readonly edge: string }> {
  const usual = join(directory, "tokenizer");
  const isThere = await access(usual).then(
    () => true,
    () => false,
  );
  const edge = file.tokenizer === undefined ? (isThere ? usual : models.edge) : join(directory, file.tokenizer);
  if (file.cloudTokenizer !== undefined) return { edge, cloud: join(directory, file.cloudTokenizer) };
  return { edge, cloud: (await tokenizerWithin(models.cloud)) ?? edge };
}

/**
 * Keeps a temperature for the confidence of labels in a pair, from 0.05 to 20. Throws E_NOT_FOUND or E_FORMAT for what is no pair, E_USAGE
 * for another temperature; the pair is then unchanged.
 */
export async function setConfidenceTemperature(directory: string, confidenceTemperature: number): Promise<void> {
  await requirePairFolder(directory);
  const { format: _, ...file } = await readJsonFile(join(directory, pairFileName), PairFile);
  const { least, most } = confidenceTemperatures;
  if (!(confidenceTemperature >= least && confidenceTemperature <= most))
    throw new AppError(
      "E_USAGE",
      `confidence temperature: expected a number from ${least} to ${most}, found ${confidenceTemperature}`,
    );
  await writePairFile(directory, { ...file, confidenceTemperature });
}

/** Writes `pair.json`. */
export async function writePairFile(directory: string, file: Omit<PairFile, "format">): Promise<void> {
  await writeJsonFile(join(directory, pairFileName), PairFile.parse({ format: "lora-gen pair 1", ...file }));
}
