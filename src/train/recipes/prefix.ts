/** @file Prefix tuning: a LoRA's batches and loss, keys and values in front of the input as what is trained. */
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { createRng } from "../../base/rng.ts";
import { readPrefix } from "../../decode/prefix.ts";
import { initialValues } from "../../generator/parameters.ts";
import type { Model } from "../../models/model.ts";
import type { Tokenizer } from "../../text/tokenizer-file.ts";
import { answers, common, count, heldEdgeKeys, refinePromptFree } from "../config.ts";
import { answerBatches } from "../edge-batch.ts";
import { targetOf } from "../generator-step.ts";
import type { Job } from "../job.ts";
import { learnedJob } from "../learned-job.ts";
import { openEdge } from "../open-frozen.ts";
import { prefixShapes, prefixSpec, prefixValues } from "../prefix-step.ts";
import { edgeNames, type Recipe } from "./recipe.ts";

export const PrefixRun = z
  .strictObject({
    kind: z.literal("prefix"),
    ...common,
    ...answers,
    ...heldEdgeKeys,
    prefix: z
      .strictObject({
        positions: count.max(4096).default(20),
        /** A text whose first tokens' keys and values it begins with; left out, small random ones. */
        text: z.string().min(1).optional(),
      })
      .prefault({}),
  })
  .superRefine(refinePromptFree);
export type PrefixRun = z.infer<typeof PrefixRun>;

export const prefix: Recipe<PrefixRun> = { schema: PrefixRun, names: edgeNames, open };

async function open(config: PrefixRun): Promise<Job> {
  const { edge, tokenizer, source } = await openEdge(config);
  requireWholeView(config.edge, edge);
  const { optimizer, recompute } = config;
  const { positions } = config.prefix;
  const shapes = prefixShapes(edge.config, positions);
  return learnedJob({
    output: config.output,
    edge,
    settings: { form: "prefix", positions },
    shapes,
    spec: { ...prefixSpec({ edge, positions, target: targetOf(config), optimizer }), recompute },
    start: () => startValues(config, edge, tokenizer),
    batch: answerBatches(config, source, edge.config.context - positions),
  });
}

/** Throws E_ARCHITECTURE for a model with layers that see a window, for what stands in front leaves it, which training does not follow. */
export function requireWholeView(name: string, { config }: Pick<Model, "config">): void {
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
  return prefixValues(await readPrefix(edge, { tokens }, { threads }));
}
