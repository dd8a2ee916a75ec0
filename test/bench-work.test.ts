/** @file The arithmetic that the benchmarks count is the arithmetic their graphs do; how they sum rounds up. */
import { expect, test } from "vitest";
import { realModel } from "../bench/real-size/shapes.ts";
import { medianInterval, pairedRatio } from "../bench/support/bench.ts";
import { expertSpec } from "../bench/support/expert-training.ts";
import { expertStepWork, fullStepWork, graphProducts } from "../bench/support/flops.ts";
import { llamaShape, type Problem } from "../bench/support/problem.ts";
import type { Feeds } from "../src/runtime/session.ts";
import { intTensor, zeros } from "../src/runtime/tensor.ts";
import { languageModelPrefix, languageModelSpec } from "../src/train/language-model-step.ts";
import { buildStep } from "../src/train/step.ts";

const shape = { hidden: 32, ffn: 48, layers: 3, heads: 4, kvHeads: 2, vocab: 64, context: 16 };
const problem = (tied: boolean): Problem => ({
  config: llamaShape({ ...shape, tied }),
  rows: 2,
  time: 8,
  learningRate: 1e-3,
  optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 },
  maxGradientNorm: 1,
  experts: { count: 4, rank: 2, alpha: 4 },
  weights: "",
  inputs: "",
});

/** Inputs of the right shapes for a batch of 2 rows of 8 tokens. */
const batch = (prefix: string): Feeds => ({
  [`${prefix}.tokens`]: zeros("i64", [2, 8]),
  [`${prefix}.segments`]: zeros("i64", [2, 8]),
  [`${prefix}.rows`]: zeros("i64", [16]),
  [`${prefix}.targets`]: zeros("i64", [16]),
});

test.each([true, false])("a step over all weights does the counted products (tied head: %s)", (tied) => {
  const { config, optimizer, maxGradientNorm } = problem(tied);
  const graph = buildStep(languageModelSpec(config, optimizer, maxGradientNorm, { isolate: false }));
  const { gigaFlops } = fullStepWork(problem(tied));
  expect(graphProducts(graph, batch(languageModelPrefix))).toBeCloseTo(gigaFlops, 12);
});

test("a step of experts over frozen weights does the counted products, in fp32 and in int8", () => {
  const feeds = { ...batch("edge"), gates: zeros("f32", [2, 3, 4]), prompt_of: intTensor([2], [0, 1]) };
  const { gigaFlops } = expertStepWork(problem(false));
  for (const frozen of ["fp32", "int8"] as const)
    expect(graphProducts(buildStep(expertSpec(problem(false), frozen)), feeds)).toBeCloseTo(gigaFlops, 12);
});

test.each(["Qwen2-1.5B", "Gemma-2-2B", "OPT-2.7B"] as const)("so does one over a model of the kind of %s", (name) => {
  const { config } = realModel(name, { quick: true });
  const { gigaFlops } = expertStepWork({ ...problem(false), config });
  const feeds = { ...batch("edge"), gates: zeros("f32", [2, config.layers, 4]), prompt_of: intTensor([2], [0, 1]) };
  expect(graphProducts(buildStep(expertSpec({ ...problem(false), config }, "fp32")), feeds)).toBeCloseTo(gigaFlops, 12);
});

test("the ratio of two programs is the median of their rounds' ratios: a slow round of both does not count", () => {
  expect(pairedRatio([10, 30, 11], [10, 30, 10])).toBe(1);
  expect(pairedRatio([10, 10, 30], [10, 30, 30])).toBe(1);
});

// Tables of the sign test's interval: ranks for 95 %.
test.each([
  [5, undefined],
  [6, 1],
  [8, 1],
  [9, 2],
  [11, 2],
  [12, 3],
  [15, 4],
  [20, 6],
])("the interval of the median of %d rounds begins at rank %s", (rounds, rank) => {
  const values = Array.from({ length: rounds }, (_, i) => rounds - i);
  const wanted = rank === undefined ? undefined : { low: rank, high: rounds + 1 - rank };
  expect(medianInterval(values)).toEqual(wanted);
});
