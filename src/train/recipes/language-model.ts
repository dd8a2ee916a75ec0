/** @file Training a language model: windows of text, conversations, or both. */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { createRng, type Rng } from "../../base/rng.ts";
import { readTokenCache, sampleWindow } from "../../data/token-cache.ts";
import { openSafetensorsModel, readModelTensor } from "../../files/safetensors-model.ts";
import { type ModelConfig, plainLlama } from "../../models/config.ts";
import { normEpsilon, theta } from "../../models/config-keys.ts";
import { openModel, saveModel } from "../../models/model-file.ts";
import { parameterShapes } from "../../models/parameters.ts";
import { ropeWeights } from "../../models/rope.ts";
import { requireEmbeddings } from "../../pair/pair.ts";
import type { Feeds } from "../../runtime/session.ts";
import { floatTensor } from "../../runtime/tensor.ts";
import { PromptLayout, SPECIAL_TOKEN_LAYOUT } from "../../text/prompt.ts";
import { loadTokenizer, type Tokenizer } from "../../text/tokenizer-file.ts";
import { type Row, requireContext, rowFeeds } from "../batch.ts";
import { common, count, path, Tasks } from "../config.ts";
import type { Job } from "../job.ts";
import { languageModelPrefix, languageModelSpec } from "../language-model-step.ts";
import { parametersOf, type TrainingState } from "../state.ts";
import { stepNames } from "../step.ts";
import { conversationRow, joinRows, openTaskSource, separateQueriesRow, type TaskSource } from "../task-batches.ts";
import type { Recipe } from "./recipe.ts";

const Text = z.strictObject({
  /** 16-bit token ids, as `loragen` tokenises text (docs/training.md). */
  tokens: path,
  validationTokens: path,
  window: count.default(256),
  /** Share of each batch's rows. */
  share: z.number().min(0).max(1).default(1),
});

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

export type LanguageModelRun = z.infer<typeof LanguageModelRun>;

export const languageModel: Recipe<LanguageModelRun> = {
  schema: LanguageModelRun,
  names: { model: "model", tokenizer: "tokenizer" },
  open,
};

async function open(config: LanguageModelRun): Promise<Job> {
  const tokenizer = await loadTokenizer(config.tokenizer);
  const shape = await modelShape(config, tokenizer);
  requireEmbeddings(config.output, shape, tokenizer);
  const source = config.tasks && (await openTaskSource(config, tokenizer, config.layout));
  const text = config.text && {
    train: await readTokenCache(config.text.tokens),
    validation: await readTokenCache(config.text.validationTokens),
  };
  if (source === undefined && text === undefined)
    throw new AppError("E_CONFIG", "a language model needs `text`, `tasks` or both, found neither");
  const textRows =
    text === undefined ? 0 : source === undefined ? config.batch : Math.round(config.batch * config.text!.share);

  const row = { together: conversationRow, apart: separateQueriesRow }[config.turns];

  /** Draws conversations until `count` rows are full; the one that would begin another row is left out. */
  function conversations(tasks: TaskSource, rng: Rng, split: "train" | "validation", count: number): Row[] {
    const drawn: Row[] = [];
    for (;;) {
      drawn.push(row(tasks, tasks.draw(rng, { split, index: 0 }, 1)[0]!, config.supervise, config.rowTokens));
      const rows = joinRows(drawn, config.rowTokens);
      if (rows.length > count) return rows.slice(0, count);
    }
  }

  function batch(rng: Rng, split: "train" | "validation"): Feeds {
    const rows: Row[] = [];
    for (let i = 0; i < textRows; i++) {
      const ids = Array.from(sampleWindow(text![split], config.text!.window + 1, rng));
      rows.push({ ids, answers: [[1, ids.length]] });
    }
    if (source !== undefined) rows.push(...conversations(source, rng, split, config.batch - rows.length));
    requireContext(config.isolate ? rows : rows.map(({ ids, answers }) => ({ ids, answers })), shape.context);
    return rowFeeds(languageModelPrefix, rows, tokenizer.padId);
  }

  return {
    spec: {
      ...languageModelSpec(shape, config.optimizer, config.optimizer.maxGradientNorm, config),
      recompute: config.recompute,
    },
    weights: ropeWeights(shape),
    start: () => startLanguageModel(config, shape),
    batch: ({ rng }) => batch(rng, "train"),
    validation: ({ rng }) => batch(rng, "validation"),
    save: (state) => saveModel(join(config.output, "model"), shape, parametersOf(state)),
  };
}

async function modelShape(config: LanguageModelRun, tokenizer: Tokenizer): Promise<ModelConfig> {
  if (typeof config.model === "string") return (await openModel(config.model)).config;
  const { hidden, heads } = config.model;
  if (hidden % heads !== 0) throw new AppError("E_CONFIG", `model: ${heads} heads do not divide a width of ${hidden}`);
  const { bosId, eosId } = tokenizer;
  return {
    ...plainLlama,
    ...config.model,
    headDim: hidden / heads,
    vocab: tokenizer.vocabSize,
    bosId,
    eosIds: eosId === undefined ? [] : [eosId],
  };
}

/** Weights from a directory, or normal(0, 0.02) with the residual projections scaled by 1/√(2·layers), as GPT-2 starts. */
async function startLanguageModel(config: LanguageModelRun, shape: ModelConfig): Promise<TrainingState> {
  const files = typeof config.model === "string" ? await openSafetensorsModel(config.model) : undefined;
  const rng = createRng(config.seed).split("initial weights");
  const state: TrainingState = {};
  for (const [name, dims] of parameterShapes(shape)) {
    const values = new Float32Array(dims.reduce((a, b) => a * b, 1));
    const isResidual = /(o_proj|down_proj)\.weight$/.test(name);
    if (dims.length === 1) values.fill(1);
    else rng.split(name).fillNormal(values, isResidual ? 0.02 / Math.sqrt(2 * shape.layers) : 0.02);
    state[stepNames.parameter(name)] = floatTensor(
      dims,
      files === undefined ? values : await readModelTensor(files, name),
    );
  }
  return state;
}
