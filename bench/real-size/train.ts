/** @file One step of a generator's experts over a full-size frozen edge model, as in `train-1b`. */
import { join } from "node:path";
import { createRng } from "../../src/base/rng.ts";
import type { TensorToWrite } from "../../src/files/safetensors-write.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { expertShapes, gatesName } from "../support/expert-training.ts";
import { cachedTensors, type Problem, randomTensors, randomTokens } from "../support/problem.ts";

export const experts = { count: 8, rank: 16, alpha: 16 };
/** Experts with a gate that is not 0. */
const kept = 2;

/** (rows, layers, experts): two random experts per row and layer share 1. */
export function randomGates(rows: number, layers: number): TensorToWrite {
  const rng = createRng("gates");
  const data = new Float32Array(rows * layers * experts.count);
  for (let at = 0; at < data.length; at += experts.count) {
    const share = rng.next();
    const [first, second] = rng.shuffle(Array.from({ length: experts.count }, (_, i) => i)).slice(0, kept);
    data[at + first!] = share;
    data[at + second!] = 1 - share;
  }
  return { name: gatesName, dtype: "F32", shape: [rows, layers, experts.count], data };
}

/** The problem over the fp32 weights of a directory. */
export async function trainingProblem(
  name: string,
  directory: string,
  config: ModelConfig,
  { rows, time }: { readonly rows: number; readonly time: number },
): Promise<Problem> {
  const inputs = [
    ...randomTensors(name, expertShapes({ config, experts })),
    randomGates(rows, config.layers),
    ...randomTokens(rows, time, config.vocab),
  ];
  return {
    config,
    rows,
    time,
    learningRate: 1e-3,
    optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    maxGradientNorm: 1,
    experts,
    weights: join(directory, "model.safetensors"),
    inputs: await cachedTensors(`real-size-${name}-inputs`, inputs),
  };
}
