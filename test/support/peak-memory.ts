/**
 * @file A process that takes one training step and prints its memory in bytes: `peak-memory.ts kept|recomputed|int8`.
 * The first two train all of a language model; the last trains one gain over a frozen int8 feed-forward network.
 */
import { input, mean, mul } from "../../src/graph/build.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { denseParts, frozenWeights } from "../../src/nn/parts.ts";
import { quantizedParts, quantizedTensors } from "../../src/nn/quantized.ts";
import type { Feeds, WeightSource } from "../../src/runtime/session.ts";
import { floatTensor } from "../../src/runtime/tensor.ts";
import { rowFeeds } from "../../src/train/batch.ts";
import { languageModelPrefix, languageModelSpec } from "../../src/train/language-model-step.ts";
import { type StepSpec, stepNames } from "../../src/train/step.ts";
import { createTrainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { peakResidentBytes } from "./peak-resident.ts";
import { randomLlama } from "./random-llama.ts";

const optimizer = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 };

type Work = { readonly spec: StepSpec; readonly options: TrainerOptions; readonly feeds: Feeds };

/** Eight layers whose activations weigh far more than their weights. */
function languageModel(recompute: boolean): Work {
  const { config, weights } = randomLlama({ hidden: 64, ffn: 512, layers: 8, heads: 4, headDim: 16, context: 256 });
  const state = Object.fromEntries(
    [...parameterShapes(config)].map(([name, shape]) => {
      const { data } = weights[name] as { data: Float32Array };
      return [stepNames.parameter(name), floatTensor(shape, data)];
    }),
  );
  const row = { ids: Array.from({ length: 257 }, (_, i) => (7 * i) % config.vocab), answers: [[250, 257]] as const };
  return {
    spec: { ...languageModelSpec(config, optimizer, 1), recompute },
    options: { weights, state, threads: 1 },
    feeds: rowFeeds(languageModelPrefix, new Array(8).fill(row), 0),
  };
}

const wide = { width: 1024, layers: 32 };

/** y = W_32 … W_1 (g ⊙ x): 128 MB of fp32 weights as 36 MB of int8. */
function frozenInt8(): Work {
  const options = { bits: 8, blockSize: 32 } as const;
  const weights: Record<string, WeightSource> = {};
  const name = (i: number) => `map.${i}`;
  for (let i = 0; i < wide.layers; i++) {
    const { packed, scales } = quantizedTensors(`${name(i)}.weight`, wide.width, wide.width, options);
    const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
    weights[packed!.name] = { kind: "data", data: new Uint8Array(size(packed!.shape)).fill(129 + (i % 2)) };
    weights[scales!.name] = { kind: "data", data: new Float32Array(size(scales!.shape)).fill(0.5 / wide.width) };
  }
  const spec: StepSpec = {
    parameters: new Map([["gain", [wide.width]]]),
    optimizer,
    maxGradientNorm: 1,
    objective: ({ gain }) => {
      const parts = quantizedParts(denseParts(frozenWeights()), () => options);
      let x = mul(input("x", ["n", wide.width]), gain!);
      for (let i = 0; i < wide.layers; i++) x = parts.linear(name(i), wide.width, wide.width)(x);
      return { loss: mean(x) };
    },
  };
  const state = { "p/gain": floatTensor([wide.width], new Float32Array(wide.width).fill(1)) };
  const feeds = { x: floatTensor([2, wide.width], new Float32Array(2 * wide.width).fill(1)) };
  return { spec, options: { weights, state, threads: 1, prepack: true }, feeds };
}

const works: Record<string, () => Work> = {
  kept: () => languageModel(false),
  recomputed: () => languageModel(true),
  int8: frozenInt8,
};

const { spec, options, feeds } = works[process.argv[2]!]!();
const before = process.memoryUsage.rss();
await using trainer = await createTrainer(spec, options);
const { loss } = await trainer.step([feeds], 0.01);
const peak = peakResidentBytes();
process.stdout.write(`${JSON.stringify({ loss: loss![0], grown: peak - before })}\n`);
