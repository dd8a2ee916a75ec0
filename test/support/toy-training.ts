/** @file A training job small enough for any test: a linear map learned from noisy samples of another one. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { silentLogger } from "../../src/base/log.ts";
import type { Rng } from "../../src/base/rng.ts";
import { add, input, matmul, mean, mul, sub } from "../../src/graph/build.ts";
import type { AdamWConfig } from "../../src/optim/adamw.ts";
import type { Feeds } from "../../src/runtime/session.ts";
import { floatTensor } from "../../src/runtime/tensor.ts";
import type { DrawBatch, Job } from "../../src/train/job.ts";
import type { LoopContext } from "../../src/train/loop.ts";
import { LanguageModelRun } from "../../src/train/recipes/language-model.ts";
import type { TrainingState } from "../../src/train/state.ts";
import type { StepSpec } from "../../src/train/step.ts";

export const toyAdamW: AdamWConfig = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1 };

/** Loss: mean((x Wᵀ + b − y)²), W (2, 3), b (2). A buffer counts the steps. */
export function toySpec(optimizer = toyAdamW, maxGradientNorm = 1): StepSpec {
  return {
    parameters: new Map([
      ["w", [2, 3]],
      ["b", [2]],
    ]),
    buffers: new Map([["steps", []]]),
    optimizer,
    maxGradientNorm,
    objective: ({ w, b }, { steps }) => {
      const error = sub(add(matmul(input("x", ["n", 3]), w!, { transB: true }), b!), input("y", ["n", 2]));
      return { loss: mean(mul(error, error)), buffers: { steps: add(steps!, input("one", [])) } };
    },
  };
}

export const toyStart = (): TrainingState => ({
  "p/w": floatTensor([2, 3], [0.5, -0.25, 1, 0.75, 0, -1]),
  "p/b": floatTensor([2], [0.1, -0.2]),
  "b/steps": floatTensor([], [0]),
});

const truth = [
  [1, -2, 0.5],
  [0, 1.5, -1],
] as const;

export function toyBatch(rng: Rng, rows = 8): Feeds {
  const x = Array.from({ length: rows }, () => [rng.normal(), rng.normal(), rng.normal()]);
  const y = x.flatMap((row) =>
    truth.map((w) => row.reduce((sum, value, i) => sum + value * w[i]!, 0.1 * rng.normal())),
  );
  return { x: floatTensor([rows, 3], x.flat()), y: floatTensor([rows, 2], y), one: floatTensor([], [1]) };
}

/** The job; its result is the JSON of its weights. `batch` may be replaced, for instance by one with a NaN. */
export function toyJob(output: string, { batch = ({ rng }) => toyBatch(rng) }: { batch?: DrawBatch } = {}): Job {
  return {
    spec: toySpec(),
    weights: {},
    start: toyStart,
    batch,
    validation: ({ rng }) => toyBatch(rng, 32),
    save: (state) =>
      writeFile(
        join(output, "result.json"),
        JSON.stringify(Object.entries(state).map(([name, { data }]) => [name, ...data])),
      ),
  };
}

type Changes = Partial<Omit<LanguageModelRun, "optimizer" | "kind">> & { readonly optimizer?: object };

/** A configuration for `trainLoop`, which reads only what all kinds of training share. */
export const toyConfig = (output: string, changes: Changes = {}): LanguageModelRun =>
  LanguageModelRun.parse({
    kind: "language-model",
    output,
    tokenizer: "unused",
    model: "unused",
    steps: 12,
    checkpointEvery: 3,
    validateEvery: 4,
    validationBatches: 2,
    logEvery: 2,
    threads: 1,
    ...changes,
    optimizer: { learningRate: 0.1, warmupSteps: 2, ...changes.optimizer },
  });

export const quietContext = (changes: Partial<LoopContext> = {}): LoopContext => ({
  log: silentLogger,
  progress: () => ({ update: () => undefined, note: () => undefined, finish: () => undefined }),
  now: () => 0,
  signal: new AbortController().signal,
  resume: false,
  ...changes,
});
