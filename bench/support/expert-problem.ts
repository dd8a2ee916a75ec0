/** @file The work of training a pool of experts over a frozen model, whichever weights that model has. */
import { createRng } from "../../src/base/rng.ts";
import type { TensorToWrite } from "../../src/files/safetensors-write.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { expertShapes, gatesName } from "./expert-training.ts";
import { cachedTensors, type Problem, randomTensors, randomTokens } from "./problem.ts";

const experts = { count: 8, rank: 16, alpha: 16 };
/** Experts with a gate that is not 0. */
const kept = 2;

export type ExpertProblem = Pick<Problem, "rows" | "time" | "weights" | "int8Weights"> & {
  /** Stands in the name of the cached inputs. */
  readonly name: string;
  /** Of the experts' first values. */
  readonly seed: string;
  readonly config: ModelConfig;
};

/** Eight experts of rank 16, random gates and tokens over the given weights. */
export async function expertProblem({ name, seed, ...given }: ExpertProblem): Promise<Problem> {
  const { config, rows, time } = given;
  const inputs = [
    ...randomTensors(seed, expertShapes({ config, experts })),
    randomGates(rows, config.layers),
    ...randomTokens(rows, time, config.vocab),
  ];
  return {
    ...given,
    learningRate: 1e-3,
    optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    maxGradientNorm: 1,
    experts,
    inputs: await cachedTensors(`${name}-inputs`, inputs),
  };
}

/** (rows, layers, experts): two random experts per row and layer share 1. */
function randomGates(rows: number, layers: number): TensorToWrite {
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
