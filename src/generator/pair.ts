/** @file A pair on disk: `pair.json` beside a cloud model, an edge model, a generator and the tokenizer they share. */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { readJsonFile, writeJsonFile } from "../base/json-file.ts";
import { type Model, openModel } from "../models/load.ts";
import { PromptLayout } from "../text/prompt.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { type Generator, readGenerator, readGeneratorConfig } from "./generator-file.ts";
import type { PairShape } from "./parameters.ts";

/** A folder inside the pair: never outside it. */
const Folder = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "expected the plain name of a folder inside the pair");

const PairFile = z.strictObject({
  format: z.literal("lora-gen pair 1"),
  name: z.string().min(1).max(100),
  cloud: Folder.default("cloud"),
  edge: Folder.default("edge"),
  generator: Folder.default("generator"),
  tokenizer: Folder.default("tokenizer"),
  layout: PromptLayout,
});
export type PairFile = z.input<typeof PairFile>;

export type Pair = {
  readonly directory: string;
  readonly name: string;
  readonly cloud: Model;
  readonly edge: Model;
  readonly generator: Generator;
  readonly tokenizer: Tokenizer;
  readonly layout: PromptLayout;
  readonly shape: PairShape;
};

const fileName = "pair.json";

/** Opens a pair. Throws E_NOT_FOUND, E_CONFIG, E_FORMAT, E_SHAPE or E_ARCHITECTURE, naming the file. */
export async function loadPair(directory: string): Promise<Pair> {
  const file = await readJsonFile(join(directory, fileName), PairFile);
  const folder = (part: "cloud" | "edge" | "generator" | "tokenizer") => join(directory, file[part]);
  const [cloud, edge, tokenizer, config] = await Promise.all([
    openModel(folder("cloud")),
    openModel(folder("edge")),
    loadTokenizer(folder("tokenizer")),
    readGeneratorConfig(folder("generator")),
  ]);
  for (const [part, model] of Object.entries({ cloud, edge })) {
    if (model.config.vocab < tokenizer.vocabSize) {
      throw new AppError(
        "E_MISMATCH",
        `${folder(part as "cloud" | "edge")}: ${model.config.vocab} embeddings do not fit a tokenizer of ${tokenizer.vocabSize} tokens`,
      );
    }
  }
  const shape = { cloud: cloud.config, edge: edge.config, generator: config };
  const generator = await readGenerator(folder("generator"), shape);
  return { directory, name: file.name, cloud, edge, generator, tokenizer, layout: file.layout, shape };
}

/** Writes `pair.json`. */
export async function writePairFile(directory: string, file: Omit<PairFile, "format">): Promise<void> {
  await writeJsonFile(join(directory, fileName), PairFile.parse({ format: "lora-gen pair 1", ...file }));
}
