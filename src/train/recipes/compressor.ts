/** @file Training a soft compressor: gist tokens, AutoCompressors, ICAE, 500xCompressor. Queries follow their compressed prompt. */
import { z } from "zod";
import { createRng, type Rng } from "../../base/rng.ts";
import { initialValues, type ParameterInfo } from "../../generator/parameters.ts";
import { openModel } from "../../models/model-file.ts";
import { requireEmbeddings } from "../../pair/pair.ts";
import { encodeCloudPrompt } from "../../text/prompt.ts";
import { loadTokenizer } from "../../text/tokenizer-file.ts";
import { requireContext } from "../batch.ts";
import { CompressorSettings, compressedLength, compressorShapes, learnedTokens } from "../compressor.ts";
import { compressorSpec, contextFeeds } from "../compressor-step.ts";
import { answers, common, path, refinePromptFree, Weights } from "../config.ts";
import { drawGroups, edgeFeeds } from "../edge-batch.ts";
import { targetOf } from "../generator-step.ts";
import type { Job } from "../job.ts";
import { learnedJob } from "../learned-job.ts";
import { openingOf } from "../open-frozen.ts";
import { type BatchPlace, behindRows, openTaskSource } from "../task-batches.ts";
import { requireWholeView } from "./prefix.ts";
import type { Recipe } from "./recipe.ts";

export const CompressorRun = z
  .strictObject({
    kind: z.literal("compressor"),
    ...common,
    ...answers,
    /** The frozen model: a directory or a GGUF file. */
    edge: path,
    /** Its tokenizer; left out, the one beside or inside the model. */
    tokenizer: path.optional(),
    compressor: CompressorSettings,
    /** How the frozen model is held. */
    weights: z.strictObject({ edge: Weights.default("f32") }).prefault({}),
  })
  .superRefine(refinePromptFree);
export type CompressorRun = z.infer<typeof CompressorRun>;

export const compressor: Recipe<CompressorRun> = {
  schema: CompressorRun,
  names: { edge: "model", tokenizer: "tokenizer" },
  open,
};

async function open(config: CompressorRun): Promise<Job> {
  const edge = await openModel(config.edge, openingOf(config.weights.edge));
  const tokenizer = await loadTokenizer(config.tokenizer ?? config.edge);
  requireEmbeddings(config.edge, edge.config, tokenizer);
  requireWholeView(config.edge, edge);
  const source = await openTaskSource(config, tokenizer, config.layout);
  const { optimizer, recompute, compressor: settings } = config;
  const shapes = compressorShapes(edge.config, settings);
  const { context } = edge.config;
  const { padId } = source.tokenizer;
  const batch = (rng: Rng, place: BatchPlace) => {
    const groups = drawGroups(config, source, rng, place);
    const prompts = groups.map(({ prompt }) => encodeCloudPrompt(source.tokenizer, source.layout, prompt));
    const longest = Math.max(...prompts.map(({ length }) => length));
    requireContext(
      prompts.map((ids) => ({ ids: [...ids, ...new Array<number>(settings.tokens + 1).fill(padId)], answers: [] })),
      context,
    );
    return {
      ...edgeFeeds(config, source, groups, context - compressedLength(settings, longest).next, behindRows),
      ...contextFeeds(settings, prompts, padId),
    };
  };
  return learnedJob({
    output: config.output,
    edge,
    settings,
    shapes,
    spec: { ...compressorSpec({ edge, settings, target: targetOf(config), optimizer }), recompute },
    start: () => initialValues(starts(shapes), createRng(config.seed).split("initial compressor")),
    batch,
  });
}

const starts = (shapes: ReadonlyMap<string, readonly number[]>): Map<string, ParameterInfo> =>
  new Map(
    [...shapes].map(([name, shape]) => {
      const start = name === learnedTokens ? "embedding" : name.endsWith(".lora_B") ? "zero" : "kaiming";
      return [name, { shape, start }] as const;
    }),
  );
