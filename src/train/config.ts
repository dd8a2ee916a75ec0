/** @file What the configurations of all training runs share. A configuration decides the result, seeds included. */
import { z } from "zod";
import { mapGroups } from "../models/decomposable.ts";
import { quantizationNames } from "../models/quantized/layout.ts";
import { maxThreads } from "../runtime/session.ts";
import { PromptLayout, SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { isPlain } from "./answer-weights.ts";

export const path = z.string().min(1);
export const count = z.int().min(1);

const Optimizer = z.strictObject({
  learningRate: z.number().positive().default(2e-5),
  warmupSteps: z.int().min(0).default(50),
  schedule: z.enum(["cosine", "linear", "constant"]).default("cosine"),
  /** The rate at the end, as a share of the peak. */
  finalShare: z.number().min(0).max(1).default(0),
  /** Steps of the whole schedule, where this run is its beginning; null: as many as the run has. */
  scheduleSteps: z.int().min(1).nullable().default(null),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.999),
  epsilon: z.number().positive().default(1e-8),
  weightDecay: z.number().min(0).default(0.1),
  maxGradientNorm: z.number().positive().default(1),
});

/** Task families, one per line, as `TaskFamily` (docs/training.md). */
export const Tasks = z
  .strictObject({
    /** A file's weight multiplies that of its tasks. */
    files: z.array(z.union([path, z.strictObject({ path, weight: z.number().positive() })])).min(1),
    /** Longest prompt, input and answer in tokens; longer draws are drawn again. */
    limits: z
      .strictObject({ prompt: count.default(2048), input: count.default(512), target: count.default(256) })
      .prefault({}),
    queriesPerPrompt: count.default(4),
    shotProbability: z.number().min(0).max(1).default(0.3),
    shotsOnlyProbability: z.number().min(0).max(1).default(0.1),
    /** Examples of a prompt that has any. */
    minShots: count.default(1),
    maxShots: count.default(5),
    /** Share of the words of a training query left out, where the answer is one of the task's labels. */
    dropWords: z.number().min(0).lt(1).default(0),
    /** Relative frequency by task kind, and by task name where that is given too; 1 otherwise. */
    weights: z.record(z.string(), z.number().min(0)).default({}),
  })
  .refine(({ minShots, maxShots }) => minShots <= maxShots, {
    path: ["minShots"],
    message: "expected at most as many as maxShots",
  });

/** Prompts that were drawn before, in the order in which they are read (docs/training.md). */
const Episodes = z.strictObject({ train: path, validation: path });

/** Keys of every run. */
export const common = {
  /** Folder for checkpoints, the log and the result. */
  output: path,
  seed: z.int().min(0).default(0),
  steps: count,
  /** Rows (language model) or prompts (generator) per batch. */
  batch: count.default(64),
  /**
   * Micro-batches of `batch` per step. Their gradients are averaged by the tokens that each is supervised on; a router's
   * batch statistics and balance loss are of each micro-batch alone.
   */
  accumulate: count.default(1),
  /** Computes activations again in the backward pass instead of keeping them: less memory, about a fifth more time, the same result. */
  recompute: z.boolean().default(false),
  optimizer: Optimizer.prefault({}),
  /** Which state is the result: the one with the lowest, or highest, value of this metric of a validation. */
  bestBy: z
    .strictObject({ metric: z.string().min(1).default("loss"), goal: z.enum(["lowest", "highest"]).default("lowest") })
    .prefault({}),
  checkpointEvery: count.default(200),
  validateEvery: count.default(200),
  validationBatches: count.default(8),
  logEvery: count.default(10),
  threads: z.int().min(0).max(maxThreads).default(0),
  device: z.enum(["cpu", "cuda", "webgpu"]).default("cpu"),
};

/** How a frozen model is held. */
export const Weights = z.enum(["f32", "blocks", ...quantizationNames]);
export type FrozenWeights = z.infer<typeof Weights>;

/** The one frozen model of a run. */
export const edgeKeys = {
  /** A directory or a GGUF file. */
  edge: path,
  /** Its tokenizer; left out, the one beside or inside the model. */
  tokenizer: path.optional(),
};

/** The same, held as it is or quantised when the run begins. */
export const heldEdgeKeys = {
  ...edgeKeys,
  weights: z.strictObject({ edge: Weights.default("f32") }).prefault({}),
};

/** What an edge model without prompts is trained on, and how: the same keys, the same batches. */
export const answers = {
  /** How prompt, input and answer are set apart (docs/models.md). */
  layout: PromptLayout.default(SPECIAL_TOKEN_LAYOUT),
  /** What it is trained on: either of the two. */
  tasks: Tasks.optional(),
  episodes: Episodes.optional(),
  /** Each prompt's queries are joined in one row of at most this many tokens; those that do not fit are left out. */
  rowTokens: count.default(512),
  /** Loss on the answer, or on the whole edge sequence. */
  lossOn: z.enum(["response", "sequence"]).default("response"),
  /** Share of the loss that is KL to the prompted edge model instead of cross-entropy with the answer. */
  distillShare: z.number().min(0).max(1).default(0),
  /** What the loss is a mean over: all tokens of answers, or answers, however long they are. */
  weighBy: z.enum(["tokens", "answers"]).default("tokens"),
  /**
   * Of the loss on an answer from a closed list of labels, the share that is the choice among them, as a constraint leaves it. The rest is
   * on all the label's tokens.
   */
  listShare: z.number().min(0).max(1).default(0),
};

/** The same where adapters of low rank are trained. */
export const promptFree = {
  ...answers,
  /** Share of what the adapters read that is dropped in training. */
  dropout: z.number().min(0).lt(1).default(0.05),
};

export type Answers = z.infer<z.ZodObject<typeof answers>>;

/** Refuses what keys of `answers` cannot mean together. */
export function refinePromptFree(
  { distillShare, lossOn, tasks, episodes, ...weighing }: Answers,
  { addIssue }: z.RefinementCtx,
) {
  const refuse = (key: string, message: string) => addIssue({ code: "custom", path: [key], message });
  if (distillShare > 0 && lossOn !== "response")
    refuse("lossOn", "expected response where distillShare is above 0: the prompted edge model teaches answers only");
  if (!isPlain(weighing) && distillShare > 0)
    refuse("distillShare", "expected 0 where weighBy or listShare weigh answers: a teacher has no part in them");
  if (!isPlain(weighing) && lossOn !== "response")
    refuse("lossOn", "expected response where weighBy or listShare weigh answers");
  if ((tasks === undefined) === (episodes === undefined)) refuse("tasks", "expected either tasks or episodes");
}

/** Factors of the singular values of a model's maps (docs/transformer2.md). */
export const Svf = z.strictObject({
  /** Which maps of each layer. */
  maps: z.enum(mapGroups).default("feed-forward"),
  /** Only so many of the largest singular values of each map have a factor; null: all. */
  rank: count.nullable().default(null),
  /** Factors as they are, or by a sigmoid and renormalised. */
  form: z.enum(["free", "bounded"]).default("free"),
  /** Folder of decompositions; left out, one beside the model. */
  cache: path.optional(),
});

export type RunConfig = z.infer<z.ZodObject<typeof common>>;
export type SvfConfig = z.infer<typeof Svf>;
export type EpisodesConfig = z.infer<typeof Episodes>;
export type TasksConfig = z.infer<typeof Tasks>;
