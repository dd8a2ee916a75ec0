/** @file A whole training step of a generator: prompts through the cloud model, gates, answers through the edge model. */
import { createRng } from "../../src/base/rng.ts";
import type { TensorToWrite } from "../../src/files/safetensors-write.ts";
import { defaultGenerator } from "../../src/generator/config.ts";
import { generatorParameters, initialValues, type PairShape } from "../../src/generator/parameters.ts";
import { expertTargetNames } from "./flops.ts";
import { cachedTensors, type StepSettings, tokenTensor } from "./problem.ts";

/** What a step is told, as JSON, whoever makes it. */
export type GeneratorProblem = StepSettings & {
  readonly shape: PairShape;
  /** Directories of the frozen models. */
  readonly cloud: string;
  readonly edge: string;
  /** Whether activations are computed again in the backward pass. */
  readonly recompute: boolean;
};

export type GeneratorBatch = {
  /** Prompts, and the tokens of each; one meta token per edge layer follows. */
  readonly prompts: number;
  readonly promptTokens: number;
  /** Rows of the edge model, divided evenly among the prompts, and the tokens of each, all supervised. */
  readonly rows: number;
  readonly time: number;
};

type Models = Pick<GeneratorProblem, "cloud" | "edge" | "recompute"> & {
  readonly configs: Pick<PairShape, "cloud" | "edge">;
};

/** The paper's generator with random values, B among them, and random tokens. `name` stands in the name of the cached inputs. */
export async function generatorProblem(
  name: string,
  { configs, ...models }: Models,
  batch: GeneratorBatch,
): Promise<GeneratorProblem> {
  const shape: PairShape = {
    ...configs,
    generator: { ...defaultGenerator, targets: expertTargetNames(configs.edge) },
  };
  return {
    shape,
    ...models,
    learningRate: 1e-3,
    optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    maxGradientNorm: 1,
    inputs: await cachedTensors(`${name}-inputs`, [...generatorTensors(shape), ...batchTensors(shape, batch)]),
  };
}

function generatorTensors(shape: PairShape): TensorToWrite[] {
  const infos = generatorParameters(shape);
  const rng = createRng("generator problem");
  const values = initialValues(infos, rng);
  for (const [name, data] of values) if (/\.(lora_B|B)$/.test(name)) rng.split(name).fillNormal(data, 0.02);
  return [...infos].map(([name, { shape }]) => ({ name, dtype: "F32", shape, data: values.get(name)! }));
}

/** `prompts` (p, t), `tokens` and `targets` (rows, time). */
const batchTensors = ({ cloud, edge }: PairShape, { prompts, promptTokens, rows, time }: GeneratorBatch) => [
  tokenTensor("prompts", [prompts, promptTokens], cloud.vocab),
  tokenTensor("tokens", [rows, time], edge.vocab),
  tokenTensor("targets", [rows, time], edge.vocab),
];
