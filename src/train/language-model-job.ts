/** @file Training a language model as a job: windows of text, conversations, or both. */
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { createRng, type Rng } from "../base/rng.ts";
import { readTokenCache, sampleWindow } from "../data/token-cache.ts";
import { openSafetensorsModel, readModelTensor } from "../files/safetensors-model.ts";
import { type ModelConfig, plainLlama } from "../models/config.ts";
import { openModel, ropeWeights, saveModel } from "../models/load.ts";
import { parameterShapes } from "../models/parameters.ts";
import { requireEmbeddings } from "../pair/pair.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer-file.ts";
import { type Row, requireContext, rowFeeds } from "./batch.ts";
import type { LanguageModelRun } from "./config.ts";
import { languageModelPrefix, languageModelSpec } from "./language-model.ts";
import type { Job } from "./loop.ts";
import { parametersOf, type TrainingState } from "./state.ts";
import { stepNames } from "./step.ts";
import { conversationRow, joinRows, openTaskSource, separateQueriesRow, type TaskSource } from "./task-batches.ts";

/** Reads all that the run needs. Throws before anything is written. */
export async function languageModelJob(config: LanguageModelRun): Promise<Job> {
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
    batch: (rng) => batch(rng, "train"),
    validation: (rng) => batch(rng, "validation"),
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
