/** @file Training a generator over a frozen pair: mixed tasks. */
import { join } from "node:path";
import { z } from "zod";
import { createRng, type Rng } from "../../base/rng.ts";
import { cloudFeeds, cloudInputNames } from "../../generator/cloud.ts";
import { GeneratorConfig } from "../../generator/config.ts";
import { dropoutFeeds } from "../../generator/dropout.ts";
import { gumbelFeeds } from "../../generator/gumbel.ts";
import { joinPrompts } from "../../generator/join-prompts.ts";
import {
  generatorBuffers,
  generatorParameters,
  initialValues,
  type PairShape,
  type ParameterInfo,
} from "../../generator/parameters.ts";
import { routerInputs } from "../../generator/router.ts";
import { unusedKeys } from "../../generator/unused-keys.ts";
import { firstLayers } from "../../models/first-layers.ts";
import { frozenSources, isCoded } from "../../models/frozen-model.ts";
import { openTwo } from "../../models/two-models-file.ts";
import { readGenerator, writeGenerator } from "../../pair/generator-file.ts";
import { requireEmbeddings } from "../../pair/pair.ts";
import { requireSpecializable } from "../../pair/specialization.ts";
import type { Feeds } from "../../runtime/session.ts";
import { floatTensor, intTensor, scalarTensor } from "../../runtime/tensor.ts";
import { PromptLayout } from "../../text/prompt.ts";
import { loadTokenizer, tokenizerWithin } from "../../text/tokenizer-file.ts";
import { requireContext } from "../batch.ts";
import { common, path, promptFree, refinePromptFree, Weights } from "../config.ts";
import { drawGroups, edgeFeeds } from "../edge-batch.ts";
import { frozenFactors } from "../frozen-factors.ts";
import { edgePrefix, generatorSpec, promptOfName, targetOf, trainedParts } from "../generator-step.ts";
import type { Job, Opening } from "../job.ts";
import { openingOf } from "../open-frozen.ts";
import { buffersOf, parametersOf, type TrainingState } from "../state.ts";
import { stepNames } from "../step.ts";
import { type BatchPlace, cloudRow, openTaskSource, type TaskSource } from "../task-batches.ts";
import type { Recipe } from "./recipe.ts";

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
    /** All of the generator, or its experts alone, over the gates that `start` predicts: fewer products a step, and gates that stay. */
    trains: z.enum(trainedParts).default("all"),
  })
  .superRefine(refinePromptFree)
  .superRefine(({ generator, start, trains }, { addIssue }) => {
    if (trains === "experts" && (start === undefined || generator.generation === "direct"))
      addIssue({
        code: "custom",
        path: ["trains"],
        message:
          start === undefined
            ? 'expected "all" where there is no `start`: a router that was never trained reads nothing'
            : 'expected "all" where generation is direct: there are no experts',
      });
    if (generator.routerStatistics === "running" && start === undefined)
      addIssue({
        code: "custom",
        path: ["generator", "routerStatistics"],
        message: 'expected "batch" where there is no `start`: there are no running statistics yet',
      });
    for (const { key, beside } of unusedKeys(generator))
      addIssue({
        code: "custom",
        path: ["generator", key],
        message: `expected its default: it has no effect where ${beside}`,
      });
  });

export type GeneratorRun = z.infer<typeof GeneratorRun>;

export const generator: Recipe<GeneratorRun> = {
  schema: GeneratorRun,
  names: { cloud: "model", edge: "model", tokenizer: "tokenizer", cloudTokenizer: "tokenizer" },
  open,
};

async function open(config: GeneratorRun, _named: GeneratorRun, opening: Opening = {}): Promise<Job> {
  const [wholeCloud, edge] = await openTwo(
    { path: config.cloud, ...openingOf(config.weights.cloud) },
    { path: config.edge, ...openingOf(config.weights.edge) },
  );
  const isOneModel = wholeCloud.weights === edge.weights;
  const cloud = firstLayers(wholeCloud, config.generator.cloudLayers, "generator.cloudLayers");
  const tokenizerPath = config.tokenizer ?? config.edge;
  const cloudTokenizerPath = config.cloudTokenizer ?? (await tokenizerWithin(config.cloud)) ?? tokenizerPath;
  const tokenizer = await loadTokenizer(tokenizerPath);
  const shape: PairShape = { cloud: cloud.config, edge: edge.config, generator: config.generator };
  requireSpecializable(shape);
  const cloudTokenizer = cloudTokenizerPath === tokenizerPath ? tokenizer : await loadTokenizer(cloudTokenizerPath);
  requireEmbeddings(config.edge, edge.config, tokenizer);
  requireEmbeddings(config.cloud, cloud.config, cloudTokenizer);
  const frozen = await frozenFactors(config.generator, edge, opening);
  const source = await openTaskSource(config, tokenizer, config.layout, {
    tokenizer: cloudTokenizer,
    layout: config.cloudLayout ?? config.layout,
  });
  const spec = (training: boolean) => ({
    ...generatorSpec(shape, targetOf(config), config.optimizer, config.optimizer.maxGradientNorm, {
      training,
      trains: config.trains,
      dropout: config.dropout,
      quantized: { cloud: cloud.quantization, edge: edge.quantization },
      blocks: { cloud: cloud.blocks, edge: edge.blocks },
      isOneModel,
    }),
    recompute: config.recompute,
  });
  return {
    spec: spec(true),
    evaluation: spec(false),
    weights: {
      ...(isOneModel ? {} : frozenSources(cloud, "cloud.")),
      ...frozenSources(edge, "edge."),
      ...Object.fromEntries([...frozen].map(([name, data]) => [`edge.${name}`, { kind: "data" as const, data }])),
    },
    prepack: isCoded(cloud) || isCoded(edge),
    warnings: costlyPool(config),
    start: () => startGenerator(config, shape),
    batch: ({ rng, step, index }) => {
      const groups = groupFeeds(config, shape, source, rng, { split: "train", index });
      const noise = gumbelFeeds(shape, config.batch, rng, { training: config.trains === "all" });
      const feeds = { ...groups, ...noise, ...blendFeeds(config, step) };
      return config.dropout === 0 ? feeds : { ...feeds, ...noiseFeeds(shape, feeds, rng) };
    },
    validation: ({ rng, index }) => {
      const groups = groupFeeds(config, shape, source, rng, { split: "validation", index });
      return { ...groups, ...gumbelFeeds(shape, config.batch, rng, { training: false }) };
    },
    save: (state) =>
      writeGenerator(join(config.output, "generator"), shape, parametersOf(state), buffersOf(state), {
        trainedOver: { cloud: cloud.sha256, edge: edge.sha256 },
        frozen,
      }),
  };
}

/** Ranks beside a product that unmerged serving carries; as many more add about a quarter to a layer's products each time. */
const servedRanks = 128;

function costlyPool({ generator: { generation, experts, rank } }: GeneratorRun): string[] {
  const ranks = generation === "svf" ? rank : experts * rank;
  if (generation === "direct" || ranks <= servedRanks) return [];
  return [
    `generator: ${experts} experts of rank ${rank} put ${ranks} ranks beside every adapted map where specialisations are swapped unmerged; each ${servedRanks} add about a quarter to a layer's products`,
  ];
}

async function startGenerator(config: GeneratorRun, shape: PairShape): Promise<TrainingState> {
  const all: [ReadonlyMap<string, ParameterInfo>, (name: string) => string][] = [
    [generatorParameters(shape), stepNames.parameter],
    [generatorBuffers(shape), stepNames.buffer],
  ];
  const known = config.start === undefined ? undefined : (await readGenerator(config.start, shape)).tensors;
  const state: TrainingState = {};
  for (const [infos, spell] of all) {
    const fresh = initialValues(infos, createRng(config.seed).split("initial generator"));
    for (const [name, { shape }] of infos)
      state[spell(name)] = floatTensor(shape, known?.get(name) ?? fresh.get(name)!);
  }
  return state;
}

/** `batch` prompts through the cloud, each with a row of its queries through the edge. */
function groupFeeds(config: GeneratorRun, shape: PairShape, source: TaskSource, rng: Rng, place: BatchPlace): Feeds {
  const groups = drawGroups(config, source, rng, place);
  const layers = shape.edge.layers;
  const { padId: cloudPadId } = source.cloud.tokenizer;
  const prompts = groups.map((group) => cloudRow(source, group, layers));
  requireContext(
    prompts.map((ids) => ({ ids: [...ids, cloudPadId], answers: [] })),
    shape.cloud.context,
  );
  const cloudRows = joinPrompts(
    prompts.map((ids) => ids.length),
    shape.cloud,
  );
  return {
    ...cloudFeeds(prompts, layers, cloudPadId, cloudRows),
    ...edgeFeeds(config, source, groups, shape.edge.context),
    [promptOfName]: intTensor(
      [groups.length],
      groups.map((_, i) => i),
    ),
  };
}

/** Noise of the adapters' dropout for the rows of a batch. */
function noiseFeeds(shape: PairShape, feeds: Feeds, rng: Rng): Feeds {
  const shapeOf = (name: string) => feeds[name]!.shape as readonly [number, number];
  return {
    ...dropoutFeeds(shape, "cloud", shapeOf(cloudInputNames.tokens), rng),
    ...dropoutFeeds(shape, "edge", shapeOf(`${edgePrefix}.tokens`), rng),
  };
}

/** How far the gates have moved from dense to kept, where the configuration asks for it. */
function blendFeeds({ generator }: GeneratorRun, step: number): Feeds {
  if (generator.annealSteps === 0) return {};
  return { [routerInputs.blend]: scalarTensor(Math.min(1, step / generator.annealSteps)) };
}
