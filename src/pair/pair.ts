/** @file What a pair is: `pair.json`, and the part of a pair that specialised models need. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import type { PairShape } from "../generator/parameters.ts";
import { isPinnedHubId } from "../hub/id.ts";
import type { Model } from "../models/model.ts";
import { PromptLayout } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";
import type { Generator } from "./generator.ts";

export const pairFileName = "pair.json";

const folderPattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** A folder or a file inside the pair: never outside it. */
const Folder = z.string().regex(folderPattern, "expected the plain name of a folder inside the pair");

/** A model inside the pair, or one of the hub at the commit that the pair was made with. */
const ModelName = z
  .string()
  .refine(
    (name) => folderPattern.test(name) || isPinnedHubId(name),
    "expected the plain name of a folder inside the pair, or owner/name@commit of a model of the hub",
  );

/** Temperatures of the confidence of labels. */
export const confidenceTemperatures = { least: 0.05, most: 20 } as const;

export const PairFile = z.strictObject({
  format: z.literal("lora-gen pair 1"),
  name: z.string().min(1).max(100),
  cloud: ModelName.default("cloud"),
  edge: ModelName.default("edge"),
  generator: Folder.default("generator"),
  /** A folder, or a GGUF file; left out, the folder `tokenizer` where there is one, else what the edge model has of its own. */
  tokenizer: Folder.optional(),
  layout: PromptLayout,
  /** The cloud model's own, where it reads prompts differently from the edge model; left out, what a GGUF file has of its own. */
  cloudTokenizer: Folder.optional(),
  cloudLayout: PromptLayout.optional(),
  /** Of the confidence of labels, fitted on tasks held out from training; left out, 1. */
  confidenceTemperature: z.number().min(confidenceTemperatures.least).max(confidenceTemperatures.most).optional(),
});
export type PairFile = z.input<typeof PairFile>;

/** Without the cloud model: enough to merge specialisations made elsewhere, and to answer with them. */
export type EdgePair = {
  readonly name: string;
  readonly edge: Pick<Model, "config" | "weights" | "quantization" | "blocks" | "sha256">;
  readonly generator: Generator;
  readonly tokenizer: Tokenizer;
  readonly layout: PromptLayout;
  readonly shape: PairShape;
  /** Of the confidence of labels that specialised models write, where one was fitted. */
  readonly confidenceTemperature?: number | undefined;
};

/** Throws E_MISMATCH where a model lacks embeddings for its tokenizer's tokens. */
export function requireEmbeddings(
  where: string,
  { vocab }: { readonly vocab: number },
  { vocabSize }: Tokenizer,
): void {
  if (vocab < vocabSize)
    throw new AppError("E_MISMATCH", `${where}: ${vocab} embeddings do not fit a tokenizer of ${vocabSize} tokens`);
}
