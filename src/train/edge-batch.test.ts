/** @file Questions behind their prompts share rows, and are what they were apart. */
import { expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { testTokenizer } from "../../test/support/tiny-pair.ts";
import { createRng } from "../base/rng.ts";
import { parameterShapes } from "../models/parameters.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { TEXT_LAYOUT } from "../text/prompt.ts";
import { loadTokenizer } from "../text/tokenizer-file.ts";
import { type EdgeBatch, edgeFeeds, promptedBatches } from "./edge-batch.ts";
import { edgePrefix, teacherPrefix } from "./generator-step.ts";
import { languageModelPrefix, languageModelSpec } from "./language-model-step.ts";
import { stepNames } from "./step.ts";
import { promptedRows, type TaskSource } from "./task-batches.ts";
import { createTrainer } from "./trainer.ts";

const tokenizer = await loadTokenizer(testTokenizer);
const { config: edge, weights } = randomLlama({ vocab: tokenizer.vocabSize, context: 256 });
/** One long prompt, and three short ones. */
const groups = [24, 2, 2, 2].map((count, i) => ({
  prompt: Array.from({ length: count }, (_, j) => `word ${i} ${j}`).join("\n"),
  queries: [{ input: `which ${i}`, target: `that ${i}` }],
}));
const layout = TEXT_LAYOUT;
const source: TaskSource = { draw: () => groups, tokenizer, layout, cloud: { tokenizer, layout } };
const config: EdgeBatch = {
  batch: groups.length,
  rowTokens: 256,
  lossOn: "response",
  distillShare: 0,
  weighBy: "tokens",
  listShare: 0,
};
const place = { split: "train", index: 0 } as const;
const shared = (changes: Partial<EdgeBatch> = {}): Feeds =>
  promptedBatches({ ...config, ...changes }, source, edge)(createRng(1), place);
const apart = edgeFeeds(config, source, groups, edge.context, promptedRows);
const sizeOf = (feeds: Feeds): number => feeds[`${edgePrefix}.tokens`]!.data.length;

test("short prompts share rows, so that fewer tokens are padding, and the answers have the same loss", async () => {
  expect(apart[`${edgePrefix}.tokens`]!.shape[0]).toBe(groups.length);
  expect(sizeOf(shared())).toBeLessThan(0.6 * sizeOf(apart));
  const state = Object.fromEntries(
    [...parameterShapes(edge)].map(([name, shape]) => [
      stepNames.parameter(name),
      floatTensor(shape, (weights[name] as { data: Float32Array }).data),
    ]),
  );
  const adamw = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 };
  await using trainer = await createTrainer(languageModelSpec(edge, adamw, 1), { weights, state, threads: 1 });
  const lossOf = async (feeds: Feeds): Promise<number> => {
    const named = Object.entries(feeds).map(([name, tensor]) => [
      name.replace(edgePrefix, languageModelPrefix),
      tensor,
    ]);
    return (await trainer.evaluate(Object.fromEntries(named) as Feeds))["loss"]![0]!;
  };
  expect(await lossOf(shared())).toBeCloseTo(await lossOf(apart), 4);
});

test("a teacher reads the same rows: its answers stand in the same order", () => {
  const feeds = shared({ distillShare: 0.5 });
  for (const name of ["tokens", "rows", "targets"])
    expect(feeds[`${teacherPrefix}.${name}`]).toEqual(feeds[`${edgePrefix}.${name}`]);
});
