/** @file Training a soft compressor: gist tokens, AutoCompressors, ICAE, 500xCompressor. Queries follow their compressed prompt. */
import { z } from "zod";
import { createRng } from "../../base/rng.ts";
import { initialValues, type ParameterInfo } from "../../generator/parameters.ts";
import { encodeCloudPrompt } from "../../text/prompt.ts";
import { requireContext } from "../batch.ts";
import { CompressorSettings, compressedLength, compressorShapes, learnedTokens } from "../compressor.ts";
import { compressorSpec, contextFeeds } from "../compressor-step.ts";
import { answers, common, heldEdgeKeys, refinePromptFree } from "../config.ts";
import { type DrawSplit, drawGroups, edgeFeeds } from "../edge-batch.ts";
import { targetOf } from "../generator-step.ts";
import type { Job } from "../job.ts";
import { learnedJob } from "../learned-job.ts";
import { openEdge } from "../open-frozen.ts";
import { behindRows } from "../task-batches.ts";
import { requireWholeView } from "./prefix.ts";
import { edgeNames, type Recipe } from "./recipe.ts";

export const CompressorRun = z
  .strictObject({
    kind: z.literal("compressor"),
    ...common,
    ...answers,
    ...heldEdgeKeys,
    compressor: CompressorSettings,
  })
  .superRefine(refinePromptFree);
export type CompressorRun = z.infer<typeof CompressorRun>;

export const compressor: Recipe<CompressorRun> = {
  schema: CompressorRun,
  names: edgeNames,
  open,
};

async function open(config: CompressorRun): Promise<Job> {
  const { edge, source } = await openEdge(config);
  requireWholeView(config.edge, edge);
  const { optimizer, recompute, compressor: settings } = config;
  const shapes = compressorShapes(edge.config, settings);
  const { context } = edge.config;
  const { padId } = source.tokenizer;
  const batch: DrawSplit = (rng, place) => {
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
