/** @file `train-30m`: a Llama model with 30 M weights, all of them trained. */
import { parameterShapes } from "../src/models/parameters.ts";
import type { Bench } from "./support/bench.ts";
import { fullStepWork } from "./support/flops.ts";
import { cachedTensors, llamaShape, type Problem, randomTensors, randomTokens } from "./support/problem.ts";
import { runTraining } from "./support/training-run.ts";

const shapes = {
  real: { hidden: 512, ffn: 1536, layers: 8, heads: 8, kvHeads: 8, vocab: 4096, context: 256, tied: true },
  quick: { hidden: 64, ffn: 192, layers: 2, heads: 4, kvHeads: 4, vocab: 512, context: 32, tied: true },
} as const;
const batches = { real: { rows: 8, time: 256 }, quick: { rows: 2, time: 32 } } as const;

async function makeProblem(size: keyof typeof shapes): Promise<Problem> {
  const config = llamaShape(shapes[size]);
  const { rows, time } = batches[size];
  const name = `train-30m-${size}`;
  const tensors = [...randomTensors(name, parameterShapes(config)), ...randomTokens(rows, time, config.vocab)];
  const file = await cachedTensors(name, tensors);
  return {
    config,
    rows,
    time,
    learningRate: 1e-4,
    optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 },
    maxGradientNorm: 1,
    weights: file,
    inputs: file,
  };
}

export const train30m: Bench = {
  run: async (options) => {
    const problem = await makeProblem(options.quick ? "quick" : "real");
    return runTraining(
      {
        label: "train-30m",
        problem,
        work: fullStepWork(problem),
        frozen: "fp32",
        shareLimit: 0.7,
        peerScript: "train_30m.py",
      },
      options,
    );
  },
};
