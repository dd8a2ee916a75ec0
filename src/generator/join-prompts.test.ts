import { expect, test } from "vitest";
import { type ModelConfig, plainLlama } from "../models/config.ts";
import { joinPrompts } from "./join-prompts.ts";

const cloud: ModelConfig = {
  ...plainLlama,
  hidden: 576,
  ffn: 1536,
  layers: 30,
  heads: 9,
  kvHeads: 3,
  headDim: 64,
  vocab: 49152,
  context: 8192,
  tied: true,
  epsilon: 1e-5,
  ropeTheta: 1e5,
  bosId: undefined,
  eosIds: [],
};

/** The length of each row. */
const times = (lengths: readonly number[], model = cloud): number[] =>
  joinPrompts(lengths, model).map((row) => row.reduce((sum, prompt) => sum + lengths[prompt]!, 0));

test("every prompt has its place, once", () => {
  for (const lengths of [[5], [200, 120, 140, 90, 160, 100], [1, 1, 1, 1], [900, 60, 60, 60, 60, 60, 60, 60]])
    expect(
      joinPrompts(lengths, cloud)
        .flat()
        .sort((a, b) => a - b),
    ).toEqual(lengths.map((_, i) => i));
});

test("beside a long prompt short ones share rows, none longer than the long one", () => {
  const rows = times([900, 120, 150, 200, 130, 140]);
  expect(rows).toHaveLength(2);
  expect(Math.max(...rows)).toBe(900);
});

test("prompts of one length stay apart: joining them would only make attention look further", () => {
  expect(joinPrompts([150, 150, 150, 150], cloud)).toHaveLength(4);
});

test("no row outgrows the context", () => {
  expect(Math.max(...times([900, 500, 500, 120], { ...cloud, context: 1000 }))).toBeLessThanOrEqual(1000);
  expect(times([1400, 20, 20, 20], { ...cloud, context: 1000 })).toHaveLength(4); // refused elsewhere
});
