/** @file The configuration of a training run, one JSON file: everything that decides the result, seeds included. */
import { z } from "zod";
import { ExpertTargets, GeneratorConfig } from "../generator/config.ts";
import { unusedKeys } from "../generator/unused-keys.ts";
import { normEpsilon, theta } from "../models/config-keys.ts";
import { quantizationNames } from "../models/quantized/layout.ts";
import { maxThreads } from "../runtime/session.ts";
import { PromptLayout, SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";

const path = z.string().min(1);
const count = z.int().min(1);

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
const Tasks = z
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
    /** Examples of a prompt that has any. AMB-14. */
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

const Text = z.strictObject({
  /** 16-bit token ids, as `loragen` tokenises text (docs/training.md). */
  tokens: path,
  validationTokens: path,
  window: count.default(256),
  /** Share of each batch's rows. */
  share: z.number().min(0).max(1).default(1),
});

const common = {
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
  checkpointEvery: count.default(200),
  validateEvery: count.default(200),
  validationBatches: count.default(8),
  logEvery: count.default(10),
  threads: z.int().min(0).max(maxThreads).default(0),
  device: z.enum(["cpu", "cuda", "webgpu"]).default("cpu"),
};

/** A model that is trained from scratch must also fit somewhere: its weights are held six times. */
export const shapeLimits = {
  width: 2 ** 20,
  layers: 1024,
  heads: 1024,
  ropeEntries: 2 ** 24,
  parameters: 2 ** 31,
} as const;

const width = count.max(shapeLimits.width);
const heads = count.max(shapeLimits.heads);

const Shape = z
  .strictObject({
    hidden: width,
    ffn: width,
    layers: count.max(shapeLimits.layers),
    heads,
    kvHeads: heads,
    context: count.default(1024),
    ropeTheta: theta.default(10000),
    epsilon: normEpsilon.default(1e-5),
    tied: z.boolean().default(true),
  })
  .superRefine(({ hidden, ffn, layers, heads, kvHeads, context }, { addIssue }) => {
    const refuse = (key: string, message: string) => addIssue({ code: "custom", path: [key], message });
    const headSize = hidden / heads;
    if (headSize % 2 !== 0)
      refuse("heads", `a width of ${hidden} by ${heads} heads should be an even number, found ${headSize}`);
    if (heads % kvHeads !== 0) refuse("kvHeads", `${heads} heads do not divide among ${kvHeads} key–value heads`);
    const { ropeEntries, parameters } = shapeLimits;
    if (context * headSize > ropeEntries)
      refuse("context", `context × head size is ${context * headSize}, the limit is ${ropeEntries}`);
    const size = layers * hidden * (2 * hidden + 2 * kvHeads * headSize + 3 * ffn);
    if (size > parameters) refuse("hidden", `the layers have ${size} weights, the limit is ${parameters}`);
  });

export const LanguageModelRun = z
  .strictObject({
    kind: z.literal("language-model"),
    ...common,
    /** Directory of the tokenizer. */
    tokenizer: path,
    /** How prompt, input and answer are set apart (docs/models.md). */
    layout: PromptLayout.default(SPECIAL_TOKEN_LAYOUT),
    /** A fresh model of this shape, or the directory of one to go on with. */
    model: z.union([Shape, path]),
    text: Text.optional(),
    tasks: Tasks.optional(),
    /** Conversations are joined in rows of at most this many tokens, so that little is padding. */
    rowTokens: count.default(512),
    /** Predict the answers only, or every token of a conversation: prompts and inputs teach language too. */
    supervise: z.enum(["answers", "all"]).default("answers"),
    /** A prompt's queries as turns of one conversation, or apart: each sees the prompt alone, as a single query will. */
    turns: z.enum(["together", "apart"]).default("together"),
    /** Whether conversations in a row are hidden from each other. */
    isolate: z.boolean().default(true),
  })
  .refine(({ isolate, turns }) => isolate || turns === "together", {
    path: ["turns"],
    message: "expected together where isolate is false: the queries of a row see all of it",
  });

const Weights = z.enum(["f32", "blocks", ...quantizationNames]);
export type FrozenWeights = z.infer<typeof Weights>;

/** What an edge model without prompts is trained on, and how: the same keys, the same batches. */
const promptFree = {
  /** How prompt, input and answer are set apart (docs/models.md). */
  layout: PromptLayout.default(SPECIAL_TOKEN_LAYOUT),
  /** What it is trained on: either of the two. */
  tasks: Tasks.optional(),
  episodes: Episodes.optional(),
  /** Each prompt's queries are joined in one row of at most this many tokens; those that do not fit are left out. */
  rowTokens: count.default(512),
  /** Loss on the answer, or on the whole edge sequence. AMB-12. */
  lossOn: z.enum(["response", "sequence"]).default("response"),
  /** Share of the loss that is KL to the prompted edge model instead of cross-entropy with the answer. */
  distillShare: z.number().min(0).max(1).default(0),
  /** Share of what the adapters read that is dropped in training. */
  dropout: z.number().min(0).lt(1).default(0.05),
};

type PromptFree = z.infer<z.ZodObject<typeof promptFree>>;

const teachesAnswers = ({ distillShare, lossOn }: PromptFree) => distillShare === 0 || lossOn === "response";
const teachesAnswersIssue = {
  path: ["lossOn"],
  message: "expected response where distillShare is above 0: the prompted edge model teaches answers only",
};
const hasOneSource = ({ tasks, episodes }: PromptFree) => (tasks === undefined) !== (episodes === undefined);
const hasOneSourceIssue = { path: ["tasks"], message: "expected either tasks or episodes" };

export const GeneratorRun = z
  .strictObject({
    kind: z.literal("generator"),
    ...common,
    ...promptFree,
    /** The two frozen models: directories or GGUF files. */
    cloud: path,
    edge: path,
    /** The edge model's tokenizer, a directory or a GGUF file; left out, the one beside or inside the model. */
    tokenizer: path.optional(),
    /** The cloud model's own tokenizer, where it is another; left out, the one inside a GGUF file, else the edge model's. */
    cloudTokenizer: path.optional(),
    /** How the cloud model reads a prompt, where that differs from `layout`. */
    cloudLayout: PromptLayout.optional(),
    generator: GeneratorConfig.prefault({}),
    /** How the two frozen models are held: as they are, in the blocks of a GGUF file, or quantised when the run begins. */
    weights: z.strictObject({ cloud: Weights.default("f32"), edge: Weights.default("f32") }).prefault({}),
    /** Generator weights to begin with, a directory written by an earlier run. */
    start: path.optional(),
  })
  .refine(teachesAnswers, teachesAnswersIssue)
  .refine(hasOneSource, hasOneSourceIssue)
  .superRefine(({ generator }, { addIssue }) => {
    for (const { key, beside } of unusedKeys(generator))
      addIssue({
        code: "custom",
        path: ["generator", key],
        message: `expected its default: it has no effect where ${beside}`,
      });
  });

export const LoraRun = z
  .strictObject({
    kind: z.literal("lora"),
    ...common,
    ...promptFree,
    /** The frozen model: a directory or a GGUF file. */
    edge: path,
    /** Its tokenizer; left out, the one beside or inside the model. */
    tokenizer: path.optional(),
    /** The adapter; its change of a weight is (alpha/rank)·B·A. */
    lora: z
      .strictObject({
        rank: z.int().min(1).max(1024).default(16),
        alpha: z.number().positive().default(16),
        targets: ExpertTargets,
      })
      .prefault({}),
    /** How the frozen model is held: as it is, or quantised when the run begins. */
    weights: z.strictObject({ edge: Weights.default("f32") }).prefault({}),
  })
  .refine(teachesAnswers, teachesAnswersIssue)
  .refine(hasOneSource, hasOneSourceIssue);

export const TrainConfig = z.discriminatedUnion("kind", [LanguageModelRun, GeneratorRun, LoraRun]);
export type TrainConfig = z.infer<typeof TrainConfig>;
export type LanguageModelRun = z.infer<typeof LanguageModelRun>;
export type LoraRun = z.infer<typeof LoraRun>;
export type GeneratorRun = z.infer<typeof GeneratorRun>;
export type EpisodesConfig = z.infer<typeof Episodes>;
export type TasksConfig = z.infer<typeof Tasks>;
