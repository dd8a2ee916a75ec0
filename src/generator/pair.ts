/** @file A pair on disk: `pair.json` beside a cloud model, an edge model, a generator and the tokenizer they share. */
import { join } from "node:path";
import { readJsonFile, writeJsonFile } from "../base/json-file.ts";
import { type Model, openModel } from "../models/load.ts";
import { loadTokenizer } from "../text/tokenizer.ts";
import { readGenerator, readGeneratorConfig } from "./generator-file.ts";
import { type EdgePair, PairFile, pairFileName, requireEmbeddings } from "./pair-format.ts";

export type { PairFile } from "./pair-format.ts";

export type Pair = EdgePair & { readonly directory: string; readonly cloud: Model; readonly edge: Model };

/** Opens a pair. Throws E_NOT_FOUND, E_CONFIG, E_FORMAT, E_SHAPE or E_ARCHITECTURE, naming the file. */
export async function loadPair(directory: string): Promise<Pair> {
  const file = await readJsonFile(join(directory, pairFileName), PairFile);
  const folder = (part: "cloud" | "edge" | "generator" | "tokenizer") => join(directory, file[part]);
  const [cloud, edge, tokenizer, config] = await Promise.all([
    openModel(folder("cloud")),
    openModel(folder("edge")),
    loadTokenizer(folder("tokenizer")),
    readGeneratorConfig(folder("generator")),
  ]);
  requireEmbeddings(folder("cloud"), cloud.config, tokenizer);
  requireEmbeddings(folder("edge"), edge.config, tokenizer);
  const shape = { cloud: cloud.config, edge: edge.config, generator: config };
  const generator = await readGenerator(folder("generator"), shape);
  return { directory, name: file.name, cloud, edge, generator, tokenizer, layout: file.layout, shape };
}

/** Writes `pair.json`. */
export async function writePairFile(directory: string, file: Omit<PairFile, "format">): Promise<void> {
  await writeJsonFile(join(directory, pairFileName), PairFile.parse({ format: "lora-gen pair 1", ...file }));
}
