/** @file A process that makes a generator's training steps: `generator-worker.ts PROBLEM THREADS`; answers `step` and `memory`. */
import { createRng } from "../../src/base/rng.ts";
import { openSafetensors, readTensor } from "../../src/files/safetensors.ts";
import { cloudFeeds } from "../../src/generator/cloud.ts";
import { generatorBuffers, generatorParameters, initialValues } from "../../src/generator/parameters.ts";
import { frozenSources } from "../../src/models/frozen-model.ts";
import { openModel } from "../../src/models/model-file.ts";
import type { Feeds } from "../../src/runtime/session.ts";
import { floatTensor, intTensor } from "../../src/runtime/tensor.ts";
import { rowFeeds } from "../../src/train/batch.ts";
import { edgePrefix, generatorSpec, promptOfName } from "../../src/train/generator-step.ts";
import type { TrainingState } from "../../src/train/state.ts";
import { stepNames } from "../../src/train/step.ts";
import { createTrainer } from "../../src/train/trainer.ts";
import type { GeneratorProblem } from "../support/generator-problem.ts";
import { peakResidentMb, watchMemory } from "../support/memory.ts";
import { readWhole } from "../support/problem.ts";
import { serve } from "../support/worker.ts";
import { goFirst } from "./memory.ts";

goFirst();
const memory = watchMemory();
const problem = JSON.parse(process.argv[2]!) as GeneratorProblem;
const threads = Number(process.argv[3]);
const { shape, optimizer, maxGradientNorm, learningRate } = problem;
const from = performance.now();
const [cloud, edge] = [await openModel(problem.cloud), await openModel(problem.edge)];
const quantized = { cloud: cloud.quantization, edge: edge.quantization };
const inputs = await openSafetensors(problem.inputs);
await using trainer = await createTrainer(
  {
    ...generatorSpec(shape, { kind: "answers" }, optimizer, maxGradientNorm, { quantized }),
    recompute: problem.recompute,
  },
  {
    state: await initialState(),
    weights: { ...frozenSources(cloud, "cloud."), ...frozenSources(edge, "edge.") },
    prepack: cloud.quantization !== undefined || edge.quantization !== undefined,
    threads,
  },
);
const batch = await feeds();

async function initialState(): Promise<TrainingState> {
  const state: TrainingState = {};
  for (const [name, { shape: size }] of generatorParameters(shape))
    state[stepNames.parameter(name)] = floatTensor(size, await readTensor(inputs, name));
  const buffers = generatorBuffers(shape);
  for (const [name, values] of initialValues(buffers, createRng("buffers")))
    state[stepNames.buffer(name)] = floatTensor(buffers.get(name)!.shape, values);
  return state;
}

/** A row's values, as lists. */
async function rowsOf(name: string): Promise<number[][]> {
  const [count, length] = inputs.tensors.get(name)!.shape as [number, number];
  const values = await readWhole(inputs, name);
  return Array.from({ length: count }, (_, row) => values.slice(row * length, (row + 1) * length));
}

async function feeds(): Promise<Feeds> {
  const { layers } = shape.edge;
  const metaTokens = new Array<number>(layers).fill(0);
  const prompts = (await rowsOf("prompts")).map((ids) => [...ids, ...metaTokens]);
  const [tokens, targets] = [await rowsOf("tokens"), await rowsOf("targets")];
  const plain = rowFeeds(
    edgePrefix,
    tokens.map((ids) => ({ ids: [...ids, 0], answers: [[1, ids.length + 1]] })),
    0,
  );
  return {
    ...cloudFeeds(prompts, layers, 0),
    ...plain,
    [`${edgePrefix}.targets`]: intTensor([targets.flat().length], targets.flat()),
    [promptOfName]: intTensor(
      [tokens.length],
      tokens.map((_, row) => Math.floor((row * prompts.length) / tokens.length)),
    ),
  };
}

await serve(
  { readyMs: performance.now() - from },
  {
    step: async () => {
      const start = performance.now();
      const metrics = await trainer.step([batch], learningRate);
      const ms = performance.now() - start;
      const number = (name: string) => metrics[name]![0]!;
      return { ms, loss: number("loss"), balanceLoss: number("balanceLoss"), gradientNorm: number("gradientNorm") };
    },
    memory: () => ({ ...memory(), peakMb: peakResidentMb() ?? null }),
  },
);
