/** @file A generator over two random models, in memory: its training step, its start and its batches. */
import { createRng, type Rng } from "../../src/base/rng.ts";
import { cloudFeeds } from "../../src/generator/cloud.ts";
import { GeneratorConfig } from "../../src/generator/config.ts";
import {
  generatorBuffers,
  generatorParameters,
  initialValues,
  type PairShape,
} from "../../src/generator/parameters.ts";
import { routerInputs } from "../../src/generator/router.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import type { Feeds, WeightSource } from "../../src/runtime/session.ts";
import { floatTensor, intTensor, scalarTensor } from "../../src/runtime/tensor.ts";
import { rowFeeds } from "../../src/train/batch.ts";
import {
  edgePrefix,
  type GeneratorStepOptions,
  generatorSpec,
  promptOfName,
  type Target,
  teacherPrefix,
} from "../../src/train/generator-step.ts";
import type { TrainingState } from "../../src/train/state.ts";
import { type StepSpec, stepNames } from "../../src/train/step.ts";
import { randomLlama } from "./random-llama.ts";

export type TinyGenerator = {
  readonly pair: PairShape;
  /** Frozen weights of both models, named as in the training step. */
  readonly weights: Readonly<Record<string, WeightSource>>;
  readonly spec: (options?: GeneratorStepOptions & { target?: Target }) => StepSpec;
  /** A fresh state; with `moved`, one whose B matrices are not zero, so that experts and adapters matter. */
  readonly start: (options?: { moved?: boolean }) => TrainingState;
  /**
   * Prompts with two queries each, and all that variants of the router or of the target ask for besides. `cloudRows`: the prompts in
   * each row of the cloud's batch, a row each by default.
   */
  readonly feeds: (rng: Rng, prompts?: number, cloudRows?: readonly (readonly number[])[]) => Feeds;
};

type TinyModel = { readonly config: ModelConfig; readonly weights: Readonly<Record<string, WeightSource>> };

const vocab = 50;
const padId = 0;

/**
 * Changes are keys of the generator's configuration. Unless models of at least 50 tokens are given, the edge has two layers,
 * the cloud one and another width.
 */
export function tinyGenerator(
  changes: Partial<GeneratorConfig> = {},
  models: { readonly cloud?: TinyModel; readonly edge?: TinyModel } = {},
): TinyGenerator {
  const cloud =
    models.cloud ??
    randomLlama({
      seed: 1,
      vocab,
      hidden: 24,
      ffn: 32,
      layers: 1,
      heads: 3,
      kvHeads: 1,
      headDim: 8,
      tied: true,
    });
  const edge = models.edge ?? randomLlama({ seed: 2, vocab, hidden: 16, ffn: 24, heads: 2, kvHeads: 1, headDim: 8 });
  const generator = GeneratorConfig.parse({ experts: 4, topK: 2, rank: 2, alpha: 3, cloudRank: 2, ...changes });
  const pair: PairShape = { cloud: cloud.config, edge: edge.config, generator };
  const named = (prefix: string, weights: TinyModel["weights"]) =>
    Object.entries(weights).map(([name, source]) => [prefix + name, source] as const);
  return {
    pair,
    weights: Object.fromEntries([...named("cloud.", cloud.weights), ...named("edge.", edge.weights)]),
    spec: ({ target = { kind: "answers" } as Target, ...options } = {}) =>
      generatorSpec(pair, target, { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 }, 1e9, options),
    start: ({ moved = false } = {}) => startOf(pair, moved),
    feeds: (rng, prompts = 4, cloudRows) => feedsOf(pair, rng, prompts, cloudRows),
  };
}

function startOf(pair: PairShape, moved: boolean): TrainingState {
  const rng = createRng("tiny generator");
  const state: TrainingState = {};
  for (const [name, values] of initialValues(generatorParameters(pair), rng)) {
    if (moved && values.every((value) => value === 0)) rng.split(`moved ${name}`).fillNormal(values, 0.3);
    state[stepNames.parameter(name)] = floatTensor(generatorParameters(pair).get(name)!.shape, values);
  }
  for (const [name, values] of initialValues(generatorBuffers(pair), rng))
    state[stepNames.buffer(name)] = floatTensor(generatorBuffers(pair).get(name)!.shape, values);
  return state;
}

function feedsOf(
  { edge, generator }: PairShape,
  rng: Rng,
  prompts: number,
  cloudRows?: readonly (readonly number[])[],
): Feeds {
  const ids = (count: number) => Array.from({ length: count }, () => 3 + rng.int(vocab - 3));
  const metaId = 2;
  const promptIds = Array.from({ length: prompts }, () => ids(4 + rng.int(4)));
  const queries = promptIds.flatMap((prompt, of) =>
    [0, 1].map(() => ({ of, prompt, input: ids(2 + rng.int(3)), answer: ids(1 + rng.int(3)) })),
  );
  const row = (head: number[], answer: number[]) => ({
    ids: [...head, ...answer],
    answers: [[head.length, head.length + answer.length]] as const,
  });
  const noise = Float32Array.from({ length: prompts * edge.layers * generator.experts }, () => rng.normal());
  return {
    ...cloudFeeds(
      promptIds.map((prompt) => [...prompt, ...new Array<number>(edge.layers).fill(metaId)]),
      edge.layers,
      padId,
      cloudRows,
    ),
    ...rowFeeds(
      edgePrefix,
      queries.map(({ input, answer }) => row(input, answer)),
      padId,
    ),
    ...rowFeeds(
      teacherPrefix,
      queries.map(({ prompt, input, answer }) => row([...prompt, ...input], answer)),
      padId,
    ),
    [promptOfName]: intTensor(
      [queries.length],
      queries.map(({ of }) => of),
    ),
    [routerInputs.gumbel]: floatTensor([prompts, edge.layers, generator.experts], noise),
    [routerInputs.blend]: scalarTensor(0.25),
  };
}
