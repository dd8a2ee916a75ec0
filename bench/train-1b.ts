/** @file `train-1b`: a pool of experts trained over the frozen weights of a model of TinyLlama-1.1B's shape. */
import type { TensorToWrite } from "../src/files/safetensors-write.ts";
import { llama } from "../src/models/architectures/llama.ts";
import { parameterShapes } from "../src/models/parameters.ts";
import { quantizeBlocks } from "../src/nn/quantize.ts";
import { quantizedTensors } from "../src/nn/quantized.ts";
import { type Bench, joined } from "./support/bench.ts";
import { expertProblem } from "./support/expert-problem.ts";
import { int8 } from "./support/expert-training.ts";
import { expertStepWork } from "./support/flops.ts";
import { cachedTensors, llamaShape, type Problem, randomTensor, randomTensors } from "./support/problem.ts";
import { runTraining } from "./support/training-run.ts";

const models = {
  real: { hidden: 2048, ffn: 5632, layers: 22, heads: 32, kvHeads: 4, vocab: 32000, context: 128, tied: false },
  quick: { hidden: 128, ffn: 352, layers: 3, heads: 4, kvHeads: 2, vocab: 512, context: 32, tied: false },
} as const;
const batches = { real: { rows: 4, time: 128 }, quick: { rows: 2, time: 32 } } as const;
/** The codes and scales of every linear map, the head included; the embedding is looked up as it is. */
function quantizedLinears(seed: string, shapes: ReadonlyMap<string, readonly number[]>): TensorToWrite[] {
  return [...shapes].flatMap(([name, shape]): TensorToWrite[] => {
    if (shape.length !== 2 || name === llama.embedding) return [];
    const [outputs, inputs] = shape as [number, number];
    const { packed, scales } = quantizedTensors(name, outputs, inputs, int8);
    const quantize = () => quantizeBlocks(randomTensor(seed, name, shape), outputs, inputs, int8);
    return [
      { name: packed!.name, dtype: "U8", shape: packed!.shape, data: () => quantize().packed },
      { name: scales!.name, dtype: "F32", shape: scales!.shape, data: () => quantize().scales },
    ];
  });
}

async function makeProblem(size: keyof typeof models): Promise<Problem> {
  const config = llamaShape(models[size]);
  const name = `train-1b-${size}`;
  const shapes = parameterShapes(config);
  return expertProblem({
    ...batches[size],
    name,
    seed: name,
    config,
    weights: await cachedTensors(name, randomTensors(name, shapes)),
    int8Weights: await cachedTensors(`${name}-int8`, quantizedLinears(name, shapes)),
  });
}

export const train1b: Bench = {
  run: async (options) => {
    const problem = await makeProblem(options.quick ? "quick" : "real");
    const run = { problem, work: expertStepWork(problem), shareLimit: 0.75, peerScript: "train_1b.py" } as const;
    const fp32 = await runTraining({ ...run, label: "train-1b fp32", frozen: "fp32", peakLimitMb: 13_000 }, options);
    const int8 = await runTraining({ ...run, label: "train-1b int8", frozen: "int8", peakLimitMb: 6_500 }, options);
    return joined([fp32, int8]);
  },
};
