import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { distance } from "../../test/support/numeric.ts";
import { fullLogits, randomLlama } from "../../test/support/random-llama.ts";
import { openReferenceModel, rowsOf } from "../../test/support/reference-model.ts";
import { flattenRows, input } from "../graph/build.ts";
import { leavesOf } from "../graph/tree.ts";
import type { Dim } from "../graph/types.ts";
import { denseParts, frozenWeights } from "../nn/parts.ts";
import { compile } from "../runtime/node.ts";
import { floats, intTensor } from "../runtime/tensor.ts";
import { architectures } from "./architectures/index.ts";
import type { ModelConfig, ModelType } from "./config.ts";
import { readModelConfig } from "./config-file.ts";
import { embed, forward, logits } from "./decoder.ts";
import { parameterShapes } from "./parameters.ts";
import { ropeWeights } from "./rope.ts";

const fixtures = resolve(import.meta.dirname, "../../test/fixtures/models");
const tokens = input("tokens", ["rows", "time"], "i64");
const segments = {
  ids: input("segments", ["rows", "time"], "i64"),
  sees: input("sees", ["rows", "time"], "i64"),
  positions: input("positions", ["rows", "time"], "i64"),
};

function logitsGraph(config: ModelConfig, hasSegments = false) {
  const parts = denseParts(frozenWeights());
  const hidden = forward(config, parts, embed(config, parts, tokens), hasSegments ? segments : undefined);
  return { outputs: { rows: logits(config, parts, flattenRows(hidden)) } };
}

describe.each(Object.keys(architectures) as ModelType[])("%s", (modelType) => {
  test.each([true, false])(
    "a forward pass asks for exactly the tensors of a checkpoint; tied head: %s",
    async (tied) => {
      const config = { ...(await readModelConfig(join(fixtures, modelType))), tied };
      const expected = new Map<string, readonly Dim[]>(parameterShapes(config));
      for (const name of Object.keys(ropeWeights(config)))
        expected.set(name, [config.context, (config.turned ?? config.headDim) / 2]);
      const leaves = [...leavesOf(logitsGraph(config), "weight")];
      expect(new Map(leaves.map(([name, { shape }]) => [name, shape]))).toEqual(expected);
    },
  );
});

test("a token changes what comes behind it and nothing before it", async () => {
  const model = randomLlama();
  const ids = [3, 14, 15, 9, 26];
  const before = await fullLogits(model, ids);
  const after = await fullLogits(model, ids.with(2, 35));
  for (const i of [0, 1]) expect(after[i]).toEqual(before[i]);
  for (const i of [2, 3, 4]) expect(distance(after[i]!, before[i]!)).toBeGreaterThan(1e-3);
});

test("the same token means something else at another position", async () => {
  const [first, second] = await fullLogits(randomLlama(), [7, 7, 7]);
  const [, shifted] = await fullLogits(randomLlama({ ropeTheta: 2 }), [7, 7, 7]);
  // Attending to two equal values gives that value whatever the weights: positions show from different tokens on.
  expect(distance(second!, first!)).toBeLessThan(1e-5);
  expect(distance(shifted!, second!)).toBeLessThan(1e-5);
  const [, , swapped] = await fullLogits(randomLlama(), [8, 7, 9]);
  const [, , ordered] = await fullLogits(randomLlama(), [7, 8, 9]);
  expect(distance(swapped!, ordered!)).toBeGreaterThan(1e-3);
});

const convolution = { width: 3, layers: [true, false, true] };

test.each<Partial<ModelConfig>>([{}, { modelType: "lfm2", layers: 3, convolution }])(
  "sequences joined in a row give what each gives alone: %j",
  async (changes) => {
    const { config, weights } = randomLlama(changes);
    const [a, b] = [
      [5, 6, 7],
      [40, 41, 42, 43],
    ] as const;
    await using session = await compile(logitsGraph(config, true), { weights, threads: 1 });
    const { rows } = await session.run({
      tokens: intTensor([1, 7], [...a, ...b]),
      segments: intTensor([1, 7], [0, 0, 0, 1, 1, 1, 1]),
      sees: intTensor([1, 7], [0, 0, 0, 1, 1, 1, 1]),
      positions: intTensor([1, 7], [0, 1, 2, 0, 1, 2, 3]),
    });
    const alone = [...(await fullLogits({ config, weights }, a)), ...(await fullLogits({ config, weights }, b))];
    const joined = floats(rows);
    alone.forEach((expected, i) => {
      expect(distance(joined.slice(i * config.vocab, (i + 1) * config.vocab), expected)).toBeLessThan(1e-5);
    });
  },
);

test.each([
  ["mistral", "window and all"],
  ["lfm2", "convolutions and all"],
])("%s: a query that sees its prompt over another query gives what it gives right behind it, %s", async (name) => {
  const { model, tokens: ids } = await openReferenceModel(name);
  const [prompt, first, second] = [ids.slice(0, 70), ids.slice(70, 90), ids.slice(90, 110)];
  const each = <T>(values: readonly [T, T, T]) =>
    [prompt, first, second].flatMap((part, i) => part.map(() => values[i]!));
  const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);
  await using session = await compile(logitsGraph(model.config, true), { weights: model.weights, threads: 1 });
  const { rows } = await session.run({
    tokens: intTensor([1, 110], [...prompt, ...first, ...second]),
    segments: intTensor([1, 110], each([0, 1, 2])),
    sees: intTensor([1, 110], each([0, 0, 0])),
    positions: intTensor([1, 110], [...range(0, 90), ...range(70, 20)]),
  });
  const alone = await fullLogits(model, [...prompt, ...second]);
  const joined = rowsOf(floats(rows), model.config.vocab);
  for (let i = 0; i < 20; i++) expect(distance(joined[90 + i]!, alone[70 + i]!)).toBeLessThan(1e-5);
});
