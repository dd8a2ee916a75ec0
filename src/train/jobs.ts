/** @file The two kinds of training as jobs: a language model, and a generator over a frozen pair. */
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { createRng, type Rng } from "../base/rng.ts";
import type { Group } from "../data/mixture.ts";
import { readTokenCache, sampleWindow } from "../data/token-cache.ts";
import { openSafetensorsModel, readModelTensor } from "../files/safetensors-model.ts";
import { cloudFeeds } from "../generator/cloud.ts";
import { readGenerator, writeGenerator } from "../generator/generator-file.ts";
import {
  generatorBuffers,
  generatorParameters,
  initialValues,
  type PairShape,
  type ParameterInfo,
} from "../generator/parameters.ts";
import { routerInputs } from "../generator/router.ts";
import type { LlamaConfig } from "../models/config.ts";
import { parameterShapes } from "../models/llama.ts";
import { openModel, ropeWeights, saveModel } from "../models/load.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import type { Feeds, WeightSource } from "../runtime/session.ts";
import { floatTensor, intTensor, scalarTensor } from "../runtime/tensor.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { type Row, requireContext, rowFeeds } from "./batch.ts";
import type { GeneratorRun, LanguageModelRun, TrainConfig } from "./config.ts";
import { edgePrefix, generatorSpec, promptOfName, teacherPrefix } from "./generator-step.ts";
import { languageModelPrefix, languageModelSpec } from "./language-model.ts";
import type { Job } from "./loop.ts";
import { stepNames } from "./step.ts";
import {
  cloudRow,
  conversationRow,
  drawGroup,
  joinRows,
  openTaskSource,
  promptedRows,
  type TaskSource,
  unpromptedRows,
} from "./task-batches.ts";
import type { TrainingState } from "./trainer.ts";

/** Reads all that a run needs. Throws before anything is written. */
export async function openJob(config: TrainConfig): Promise<Job> {
  return config.kind === "language-model" ? languageModelJob(config) : generatorJob(config);
}

const adamwOf = ({ optimizer: { beta1, beta2, epsilon, weightDecay } }: TrainConfig): AdamWConfig => ({
  beta1,
  beta2,
  epsilon,
  weightDecay,
});

async function languageModelJob(config: LanguageModelRun): Promise<Job> {
  const tokenizer = await loadTokenizer(config.tokenizer);
  const shape = await modelShape(config, tokenizer);
  const source = config.tasks && (await openTaskSource(config.tasks, tokenizer, SPECIAL_TOKEN_LAYOUT));
  const text = config.text && {
    train: await readTokenCache(config.text.tokens),
    validation: await readTokenCache(config.text.validationTokens),
  };
  if (source === undefined && text === undefined)
    throw new AppError("E_CONFIG", "a language model needs `text`, `tasks` or both, found neither");
  const textRows =
    text === undefined ? 0 : source === undefined ? config.batch : Math.round(config.batch * config.text!.share);

  /** Draws conversations until `count` rows are full; the one that would begin another row is left out. */
  function conversations(tasks: TaskSource, rng: Rng, split: "train" | "validation", count: number): Row[] {
    const drawn: Row[] = [];
    for (;;) {
      drawn.push(conversationRow(tasks, drawGroup(tasks, rng, split), config.supervise));
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
      ...languageModelSpec(shape, adamwOf(config), config.optimizer.maxGradientNorm, config),
      recompute: config.recompute,
    },
    weights: ropeWeights(shape),
    start: () => startLanguageModel(config, shape),
    batch: (rng) => batch(rng, "train"),
    validation: (rng) => batch(rng, "validation"),
    save: (state) => saveModel(join(config.output, "model"), shape, stripPrefix(state, stepNames.parameter(""))),
  };
}

async function modelShape(config: LanguageModelRun, tokenizer: Tokenizer): Promise<LlamaConfig> {
  if (typeof config.model === "string") return (await openModel(config.model)).config;
  const { hidden, heads } = config.model;
  if (hidden % heads !== 0) throw new AppError("E_CONFIG", `model: ${heads} heads do not divide a width of ${hidden}`);
  const { bosId, eosId } = tokenizer;
  return {
    modelType: "llama",
    ...config.model,
    headDim: hidden / heads,
    vocab: tokenizer.vocabSize,
    bosId,
    eosIds: eosId === undefined ? [] : [eosId],
  };
}

/** Weights from a directory, or normal(0, 0.02) with the residual projections scaled by 1/√(2·layers), as GPT-2 starts. */
async function startLanguageModel(config: LanguageModelRun, shape: LlamaConfig): Promise<TrainingState> {
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

const stripPrefix = (state: TrainingState, prefix: string): Map<string, Float32Array> =>
  new Map(
    Object.entries(state)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, { data }]) => [name.slice(prefix.length), data]),
  );

async function generatorJob(config: GeneratorRun): Promise<Job> {
  const [cloud, edge] = [await openModel(config.cloud), await openModel(config.edge)];
  const tokenizer = await loadTokenizer(config.tokenizer);
  const pair: PairShape = { cloud: cloud.config, edge: edge.config, generator: config.generator };
  const source = await openTaskSource(config.tasks, tokenizer, SPECIAL_TOKEN_LAYOUT);
  const target =
    config.distillShare > 0
      ? ({ kind: "distill", share: config.distillShare } as const)
      : ({ kind: "answers" } as const);
  const spec = (training: boolean) => ({
    ...generatorSpec(pair, target, adamwOf(config), config.optimizer.maxGradientNorm, training),
    recompute: config.recompute,
  });
  const withPrefix = (prefix: string, weights: Readonly<Record<string, WeightSource>>) =>
    Object.fromEntries(Object.entries(weights).map(([name, value]) => [prefix + name, value]));
  return {
    spec: spec(true),
    evaluation: spec(false),
    weights: { ...withPrefix("cloud.", cloud.weights), ...withPrefix("edge.", edge.weights) },
    start: () => startGenerator(config, pair),
    batch: (rng, step) => ({
      ...groupFeeds(config, pair, source, rng, "train"),
      ...routerFeeds(config, pair, rng, step),
    }),
    validation: (rng) => groupFeeds(config, pair, source, rng, "validation"),
    save: (state) =>
      writeGenerator(
        join(config.output, "generator"),
        pair,
        stripPrefix(state, stepNames.parameter("")),
        stripPrefix(state, stepNames.buffer("")),
      ),
  };
}

async function startGenerator(config: GeneratorRun, pair: PairShape): Promise<TrainingState> {
  const all: [ReadonlyMap<string, ParameterInfo>, (name: string) => string][] = [
    [generatorParameters(pair), stepNames.parameter],
    [generatorBuffers(pair), stepNames.buffer],
  ];
  const known = config.start === undefined ? undefined : (await readGenerator(config.start, pair)).tensors;
  const state: TrainingState = {};
  for (const [infos, spell] of all) {
    const fresh = initialValues(infos, createRng(config.seed).split("initial generator"));
    for (const [name, { shape }] of infos)
      state[spell(name)] = floatTensor(shape, known?.get(name) ?? fresh.get(name)!);
  }
  return state;
}

/** `batch` prompts through the cloud, each with a row of its queries through the edge. */
function groupFeeds(
  config: GeneratorRun,
  pair: PairShape,
  source: TaskSource,
  rng: Rng,
  split: "train" | "validation",
): Feeds {
  const groups = Array.from({ length: config.batch }, () =>
    fittingQueries(config, source, drawGroup(source, rng, split)),
  );
  const layers = pair.edge.layers;
  const rows = groups.flatMap((group) => joinRows(unpromptedRows(source, group, config.lossOn), config.rowTokens));
  requireContext(rows, pair.edge.context);
  const { padId } = source.options.tokenizer;
  const cloudRows = groups.map((group) => cloudRow(source, group, layers));
  requireContext(
    cloudRows.map((ids) => ({ ids: [...ids, padId], answers: [] })),
    pair.cloud.context,
  );
  const teacherRows =
    config.distillShare > 0 ? groups.flatMap((group) => joinRows(promptedRows(source, group), config.rowTokens)) : [];
  requireContext(teacherRows, pair.edge.context);
  const teacher = config.distillShare > 0 ? rowFeeds(teacherPrefix, teacherRows, padId) : {};
  return {
    ...cloudFeeds(cloudRows, layers, padId),
    ...rowFeeds(edgePrefix, rows, padId),
    ...teacher,
    [promptOfName]: intTensor(
      [rows.length],
      rows.map((_, i) => i),
    ),
  };
}

/** Keeps the first queries that fill one row; the first always stays. */
function fittingQueries({ rowTokens, lossOn }: GeneratorRun, source: TaskSource, group: Group): Group {
  let room = rowTokens;
  const lengths = unpromptedRows(source, group, lossOn).map(({ ids }) => ids.length);
  const kept = group.queries.filter((_, i) => {
    room -= lengths[i]!;
    return i === 0 || room >= 0;
  });
  return { ...group, queries: kept };
}

/** Gumbel noise and the annealing blend, where the configuration asks for them. */
function routerFeeds({ generator, batch }: GeneratorRun, { edge }: PairShape, rng: Rng, step: number): Feeds {
  const feeds: Record<string, Feeds[string]> = {};
  if (generator.strategy === "gumbel") {
    const shape = [batch, edge.layers, generator.experts];
    const noise = Float32Array.from(
      { length: batch * edge.layers * generator.experts },
      () => -Math.log(-Math.log(rng.next() || 1e-12)),
    );
    feeds[routerInputs.gumbel] = floatTensor(shape, noise);
  }
  if (generator.annealSteps > 0) feeds[routerInputs.blend] = scalarTensor(Math.min(1, step / generator.annealSteps));
  return feeds;
}
