/** @file Prefix tuning: a LoRA's batches and loss, keys and values in front of the input as what is trained. */
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { createRng, type Rng } from "../../base/rng.ts";
import { readPrefix, requireKeys } from "../../decode/prefix.ts";
import { initialValues } from "../../generator/parameters.ts";
import type { Model } from "../../models/model.ts";
import { openModel } from "../../models/model-file.ts";
import { requireEmbeddings } from "../../pair/pair.ts";
import { loadTokenizer, type Tokenizer } from "../../text/tokenizer-file.ts";
import { answers, common, count, path, refinePromptFree, Weights } from "../config.ts";
import { drawGroups, edgeFeeds } from "../edge-batch.ts";
import { targetOf } from "../generator-step.ts";
import type { Job } from "../job.ts";
import { learnedJob } from "../learned-job.ts";
import { openingOf } from "../open-frozen.ts";
import { prefixShapes, prefixSpec, prefixValues } from "../prefix-step.ts";
import { type BatchPlace, openTaskSource } from "../task-batches.ts";
import type { Recipe } from "./recipe.ts";

export const PrefixRun = z
  .strictObject({
    kind: z.literal("prefix"),
    ...common,
    ...answers,
    /** The frozen model: a directory or a GGUF file. */
    edge: path,
    /** Its tokenizer; left out, the one beside or inside the model. */
    tokenizer: path.optional(),
    prefix: z
      .strictObject({
        positions: count.max(4096).default(20),
        /** A text whose first tokens' keys and values it begins with; left out, small random ones. */
        text: z.string().min(1).optional(),
      })
      .prefault({}),
    /** How the frozen model is held. */
    weights: z.strictObject({ edge: Weights.default("f32") }).prefault({}),
  })
  .superRefine(refinePromptFree);
export type PrefixRun = z.infer<typeof PrefixRun>;

export const prefix: Recipe<PrefixRun> = { schema: PrefixRun, names: { edge: "model", tokenizer: "tokenizer" }, open };

async function open(config: PrefixRun): Promise<Job> {
  const edge = await openModel(config.edge, openingOf(config.weights.edge));
  const tokenizer = await loadTokenizer(config.tokenizer ?? config.edge);
  requireEmbeddings(config.edge, edge.config, tokenizer);
  requireWholeView(config.edge, edge);
  const source = await openTaskSource(config, tokenizer, config.layout);
  const { optimizer, recompute } = config;
  const { positions } = config.prefix;
  const shapes = prefixShapes(edge.config, positions);
  const context = edge.config.context - positions;
  const batch = (rng: Rng, place: BatchPlace) =>
    edgeFeeds(config, source, drawGroups(config, source, rng, place), context);
  return learnedJob({
    output: config.output,
    edge,
    settings: { form: "prefix", positions },
    shapes,
    spec: { ...prefixSpec({ edge, positions, target: targetOf(config), optimizer }), recompute },
    start: () => startValues(config, edge, tokenizer),
    batch,
  });
}

/**
 * Throws E_ARCHITECTURE for a model with layers that see a window, for what stands in front leaves it, which training does not follow; and
 * for one with layers that have no keys and values.
 */
export function requireWholeView(name: string, { config }: Pick<Model, "config">): void {
  requireKeys(config, name);
  if (config.windows.some((window) => window > 0))
    throw new AppError("E_ARCHITECTURE", `${name}: expected a model whose layers see all positions, found a window`);
}

async function startValues(
  { seed, threads, prefix: { positions, text } }: PrefixRun,
  edge: Model,
  tokenizer: Tokenizer,
): Promise<Map<string, Float32Array>> {
  const infos = [...prefixShapes(edge.config, positions)].map(
    ([name, shape]) => [name, { shape, start: "embedding" as const }] as const,
  );
  if (text === undefined) return initialValues(new Map(infos), createRng(seed).split("initial prefix"));
  const tokens = tokenizer.encode(text, { addSpecial: true }).slice(0, positions);
  if (tokens.length < positions)
    throw new AppError("E_CONFIG", `prefix.text: expected at least ${positions} tokens, found ${tokens.length}`);
  return prefixValues(edge.config, await readPrefix(edge, { tokens }, { threads }));
}
