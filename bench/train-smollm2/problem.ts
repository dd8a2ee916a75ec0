/** @file The step that is measured: a generator over SmolLM2-135M as cloud and edge, both fp32, a random batch of typical lengths. */
import { createRng, type Rng } from "../../src/base/rng.ts";
import { cloudFeeds, cloudInputNames } from "../../src/generator/cloud.ts";
import { GeneratorConfig } from "../../src/generator/config.ts";
import { dropoutFeeds } from "../../src/generator/dropout.ts";
import { joinPrompts } from "../../src/generator/join-prompts.ts";
import {
  generatorBuffers,
  generatorParameters,
  initialValues,
  type PairShape,
} from "../../src/generator/parameters.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { openModel } from "../../src/models/model-file.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { ropeWeights } from "../../src/models/rope.ts";
import type { Feeds, WeightSource } from "../../src/runtime/session.ts";
import { floatTensor, intTensor } from "../../src/runtime/tensor.ts";
import { type Row, rowFeeds } from "../../src/train/batch.ts";
import { edgePrefix, generatorSpec, promptOfName } from "../../src/train/generator-step.ts";
import type { TrainingState } from "../../src/train/state.ts";
import { type StepSpec, stepNames } from "../../src/train/step.ts";
import { joinRows } from "../../src/train/task-batches.ts";
import { publishedModel } from "../support/bench-pair.ts";
import { llamaShape, randomTensor } from "../support/problem.ts";

const quickShape: ModelConfig = llamaShape({
  hidden: 96,
  ffn: 160,
  layers: 2,
  heads: 6,
  kvHeads: 2,
  vocab: 512,
  context: 512,
  tied: true,
});

/** Prompts of a step; how many tokens they have, their first one the most; queries of each, in a row of at most `rowTokens`. */
export const batch = {
  prompts: 6,
  promptTokens: { least: 90, most: 170 },
  queriesPerPrompt: 6,
  questionTokens: { least: 14, most: 26 },
  answerTokens: { least: 3, most: 8 },
  rowTokens: 192,
  dropout: 0.05,
} as const;

export type StepProblem = {
  readonly shape: PairShape;
  readonly spec: StepSpec;
  readonly state: TrainingState;
  readonly weights: Readonly<Record<string, WeightSource>>;
  readonly feeds: Feeds;
  /** Tokens of prompts with their meta tokens, and of queries with their answers: padding is not among them. */
  readonly tokens: number;
  readonly frozenWeights: "published" | "random";
};

export async function smollm2Step(quick: boolean): Promise<StepProblem> {
  const { config, weights, frozenWeights } = await openFrozen(quick);
  const shape: PairShape = {
    cloud: config,
    edge: config,
    generator: GeneratorConfig.parse({
      poolScope: "layer",
      routerScope: "layer",
      metaTokens: "distinct",
      topK: 4,
    }),
  };
  const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
  const both = ["cloud.", "edge."].flatMap((prefix) =>
    Object.entries(weights).map(([name, source]) => [prefix + name, source] as const),
  );
  return {
    shape,
    spec: generatorSpec(shape, { kind: "answers" }, optimizer, 1, { dropout: batch.dropout }),
    state: initialState(shape),
    weights: Object.fromEntries(both),
    ...randomBatch(shape, createRng("smollm2 batch")),
    frozenWeights,
  };
}

type Frozen = Pick<StepProblem, "weights" | "frozenWeights"> & { readonly config: ModelConfig };

async function openFrozen(quick: boolean): Promise<Frozen> {
  if (!quick) return { ...(await openModel(publishedModel)), frozenWeights: "published" };
  const config = quickShape;
  const weights: Record<string, WeightSource> = { ...ropeWeights(config) };
  for (const [name, shape] of parameterShapes(config))
    weights[name] = { kind: "data", data: randomTensor("smollm2", name, shape) };
  return { config, weights, frozenWeights: "random" };
}

/** Every B is normal with a standard deviation of 0.02: were they zero, half of the gradients would be. */
function initialState(shape: PairShape): TrainingState {
  const state: TrainingState = {};
  const rng = createRng("smollm2 state");
  for (const [infos, spell] of [
    [generatorParameters(shape), stepNames.parameter],
    [generatorBuffers(shape), stepNames.buffer],
  ] as const)
    for (const [name, values] of initialValues(infos, rng)) {
      if (/\.(lora_B|B)$/.test(name)) rng.split(name).fillNormal(values, 0.02);
      state[spell(name)] = floatTensor(infos.get(name)!.shape, values);
    }
  return state;
}

function randomBatch(shape: PairShape, rng: Rng): { tokens: number; feeds: Feeds } {
  const { layers, vocab } = shape.edge;
  const between = ({ least, most }: { least: number; most: number }) => least + rng.int(most - least + 1);
  const ids = (count: number) => Array.from({ length: count }, () => rng.int(vocab));
  const prompts = Array.from({ length: batch.prompts }, (_, i) => [
    ...ids(i === 0 ? batch.promptTokens.most : between(batch.promptTokens)),
    ...new Array<number>(layers).fill(0),
  ]);
  const rows = prompts.map((): Row => {
    const queries = Array.from({ length: batch.queriesPerPrompt }, (): Row => {
      const [question, answer] = [between(batch.questionTokens), between(batch.answerTokens)];
      return { ids: ids(question + answer), answers: [[question, question + answer]] };
    });
    return joinRows(queries, batch.rowTokens)[0]!; // what does not fit is left out
  });
  const lengths = prompts.map(({ length }) => length);
  const feeds: Feeds = {
    ...cloudFeeds(prompts, layers, 0, joinPrompts(lengths, shape.cloud)),
    ...rowFeeds(edgePrefix, rows, 0),
    [promptOfName]: intTensor(
      [rows.length],
      rows.map((_, i) => i),
    ),
  };
  const shapeOf = (name: string) => feeds[name]!.shape as readonly [number, number];
  return {
    tokens: [...lengths, ...rows.map((row) => row.ids.length)].reduce((a, b) => a + b, 0),
    feeds: {
      ...feeds,
      ...dropoutFeeds(shape, "cloud", shapeOf(cloudInputNames.tokens), rng),
      ...dropoutFeeds(shape, "edge", shapeOf(`${edgePrefix}.tokens`), rng),
    },
  };
}
