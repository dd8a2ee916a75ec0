/** @file Training LoRAMoE or MixLoRA: a LoRA's batches and loss, many LoRAs that tokens are routed to. */
import { z } from "zod";
import { createRng } from "../../base/rng.ts";
import { ExpertTargets } from "../../generator/config.ts";
import { initialValues, type ParameterInfo } from "../../generator/parameters.ts";
import { type TokenExperts, tokenExpertShapes } from "../../models/token-experts.ts";
import { answers, common, count, heldEdgeKeys, refinePromptFree } from "../config.ts";
import { type DrawSplit, drawGroups, edgeFeeds, promptedFeeds } from "../edge-batch.ts";
import { targetOf } from "../generator-step.ts";
import type { Job } from "../job.ts";
import { learnedJob } from "../learned-job.ts";
import { openEdge } from "../open-frozen.ts";
import { promptedRows, unpromptedRows } from "../task-batches.ts";
import { balanceFeeds, tokenExpertSpec } from "../token-expert-step.ts";
import { edgeNames, type Recipe } from "./recipe.ts";

const keys = {
  ...common,
  ...answers,
  ...heldEdgeKeys,
  /** Whether the model reads the task's prompt, or inputs alone. */
  prompted: z.boolean().default(false),
};

const coefficient = z.number().min(0).default(0.01);

export const LoramoeRun = z
  .strictObject({
    kind: z.literal("loramoe"),
    ...keys,
    loramoe: z
      .strictObject({
        experts: count.min(2).max(1024).default(6),
        rank: count.max(1024).default(4),
        alpha: z.number().positive().default(32),
        targets: ExpertTargets,
      })
      .prefault({}),
    balance: z
      .strictObject({
        coefficient,
        delta: z.number().min(0).lt(1).default(0.1),
        /** Task kinds that the first half of the experts is for, the second half being for all others; none: no experts are kept to kinds. */
        kinds: z.array(z.string().min(1)).default([]),
      })
      .prefault({}),
  })
  .superRefine(refinePromptFree);
export type LoramoeRun = z.infer<typeof LoramoeRun>;

export const MixloraRun = z
  .strictObject({
    kind: z.literal("mixlora"),
    ...keys,
    mixlora: z
      .strictObject({
        experts: count.min(2).max(1024).default(8),
        topK: count.max(1024).default(2),
        rank: count.max(1024).default(16),
        alpha: z.number().positive().default(32),
        /** Maps of attention that have one LoRA each. */
        attention: z.array(z.enum(["q", "k", "v", "o"])).default(["q", "k", "v", "o"]),
      })
      .refine(({ experts, topK }) => topK <= experts, {
        path: ["topK"],
        message: "expected at most as many as experts",
      })
      .prefault({}),
    balance: z.strictObject({ coefficient }).prefault({}),
  })
  .superRefine(refinePromptFree);
export type MixloraRun = z.infer<typeof MixloraRun>;

export const loramoe: Recipe<LoramoeRun> = {
  schema: LoramoeRun,
  names: edgeNames,
  open: (config) => {
    const { loramoe: settings, balance } = config;
    return open(config, { form: "loramoe", topK: settings.experts, ...settings }, balance);
  },
};

export const mixlora: Recipe<MixloraRun> = {
  schema: MixloraRun,
  names: edgeNames,
  open: (config) => {
    const { attention: targets, ...settings } = config.mixlora;
    return open(config, { form: "mixlora", targets, ...settings }, { ...config.balance, delta: 0, kinds: [] });
  },
};

async function open(
  config: LoramoeRun | MixloraRun,
  settings: TokenExperts,
  balance: LoramoeRun["balance"],
): Promise<Job> {
  const { edge, source } = await openEdge(config);
  const shapes = tokenExpertShapes(edge.config, settings);
  const { optimizer, recompute } = config;
  const spec = tokenExpertSpec({ edge, settings, balance, target: targetOf(config), optimizer });
  const rowsOf = config.prompted ? promptedRows : unpromptedRows;
  const batch: DrawSplit = (rng, place) => {
    const groups = drawGroups(config, source, rng, place, rowsOf);
    // Where a row's kind says which experts it is for, prompts share none.
    const feeds =
      config.prompted && balance.kinds.length === 0
        ? promptedFeeds(config, source, groups, edge.config)
        : edgeFeeds(config, source, groups, edge.config.context, rowsOf);
    return { ...feeds, ...balanceFeeds(settings, balance, groups, feeds) };
  };
  return learnedJob({
    output: config.output,
    edge,
    settings,
    shapes,
    spec: { ...spec, recompute },
    start: () => initialValues(starts(shapes), createRng(config.seed).split("initial experts")),
    batch,
  });
}

/** A and routers as linear layers begin, B at zero: step 0 is the base model. */
const starts = (shapes: ReadonlyMap<string, readonly number[]>): Map<string, ParameterInfo> =>
  new Map(
    [...shapes].map(
      ([name, shape]) => [name, { shape, start: name.endsWith(".lora_B") ? "zero" : "kaiming" }] as const,
    ),
  );
