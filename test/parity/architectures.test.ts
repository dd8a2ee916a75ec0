/** @file Every architecture against transformers: logits, cached decoding and gradients of small random models (test/fixtures/make/architectures.py). */
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createCachedModel } from "../../src/decode/cached-model.ts";
import { createDecoder } from "../../src/decode/decoder.ts";
import { createTeacherForcing } from "../../src/eval/teacher-forcing.ts";
import { flattenRows, input, reshape, slice } from "../../src/graph/build.ts";
import { grad } from "../../src/graph/grad.ts";
import type { Node } from "../../src/graph/types.ts";
import { architectures } from "../../src/models/architectures/index.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { embed, forward, logits } from "../../src/models/decoder.ts";
import { linearMaps, linearName, linearSize } from "../../src/models/parameters.ts";
import { ropeWeights } from "../../src/models/rope.ts";
import { withLora } from "../../src/nn/lora.ts";
import { meanCrossEntropy } from "../../src/nn/loss.ts";
import { denseParts, frozenWeights, wrapLinear } from "../../src/nn/parts.ts";
import { compile } from "../../src/runtime/node.ts";
import { floats, floatTensor, intTensor } from "../../src/runtime/tensor.ts";
import {
  createFullModel,
  openReferenceModel,
  type ReferenceModel,
  referenceModels,
  rowsOf,
} from "../support/reference-model.ts";

const names = readdirSync(referenceModels).sort();
const loraScale = 0.5;

test("there is a reference for every architecture", async () => {
  const types = await Promise.all(names.map(async (name) => (await openReferenceModel(name)).model.config.modelType));
  expect(new Set(types)).toEqual(new Set(Object.keys(architectures)));
});

/** The largest difference, whatever the magnitudes. */
function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const gap = Math.abs(actual[i]! - expected[i]!);
    worst = Math.max(worst, gap); // NaN stays
  }
  return worst;
}

const joined = (rows: readonly Float32Array[]): Float32Array => Float32Array.from(rows.flatMap((row) => [...row]));

/** How far the logits of the longest prompt are from the reference: some rows in full, all rows through probes. */
async function longDifference({ rows, read }: ReferenceModel, found: readonly Float32Array[]): Promise<number> {
  const probe = await read("probe");
  const probes = found.flatMap((row) =>
    Array.from({ length: 4 }, (_, j) => row.reduce((sum, value, i) => sum + value * probe[4 * i + j]!, 0)),
  );
  return Math.max(
    difference(joined(rows.map((row) => found[row]!)), await read("logits.300.rows")),
    difference(probes, await read("logits.300.probes")),
  );
}

describe.each(names)("%s", (name) => {
  test("logits of 1, 17 and 300 tokens are within 1e-4", async () => {
    const reference = await openReferenceModel(name);
    await using run = await createFullModel(reference.model);
    for (const length of [1, 17]) {
      const found = await run.logits(reference.tokens.slice(0, length));
      expect(difference(joined(found), await reference.read(`logits.${length}`)), `${length} tokens`).toBeLessThan(
        1e-4,
      );
    }
    expect(await longDifference(reference, await run.logits(reference.tokens))).toBeLessThan(1e-4);
  });

  test("cached decoding gives the same, at once and token by token", async () => {
    const reference = await openReferenceModel(name);
    const { model, tokens } = reference;
    await using cached = await createCachedModel(model, { threads: 1 });
    const single = (count: number) => new Array<number>(count).fill(1);
    for (const pieces of [[300], [1, 16, ...single(3), 40, ...single(8), 130, ...single(2), 90, ...single(10)]]) {
      cached.rewind([], { reuse: false });
      const found: Float32Array[] = [];
      for (const piece of pieces) {
        const values = await cached.feedAll(tokens.slice(found.length, found.length + piece));
        found.push(...rowsOf(values, model.config.vocab));
      }
      expect(await longDifference(reference, found), `${pieces}`).toBeLessThan(1e-4);
    }
  });

  test("answers scored in packed rows are as likely as those scored one by one, behind 100 tokens", async () => {
    const { model, tokens } = await openReferenceModel(name);
    const queries = [0, 5].map((from) => ({
      prompt: tokens.slice(from, from + 100),
      answers: [tokens.slice(120, 123), tokens.slice(130, 141)],
    }));
    await using forcing = await createTeacherForcing(model, { threads: 1 });
    await using decoder = await createDecoder(model, { threads: 1 });
    for await (const { index, answers: packed } of forcing.run(queries)) {
      const { prompt, answers } = queries[index]!;
      const scores = await decoder.score(prompt, answers);
      expect(
        difference(
          packed.map(({ logLikelihood }) => logLikelihood),
          scores,
        ),
      ).toBeLessThan(1e-3);
    }
  });

  test("gradients by a LoRA on the feed-forward maps are within 1e-3", async () => {
    const { model, tokens, read } = await openReferenceModel(name);
    const { loss, factors, gradients } = loraGradients(model.config);
    const feeds: Record<string, ReturnType<typeof floatTensor>> = {};
    for (const [factor, node] of factors) feeds[factor] = floatTensor(node.shape as number[], await read(factor));
    await using session = await compile({ outputs: { loss, ...gradients } }, { weights: model.weights, threads: 1 });
    const found = await session.run({ ...feeds, tokens: intTensor([1, tokens.length], tokens) });
    expect(Math.abs(floats(found["loss"])[0]! - (await read("loss"))[0]!)).toBeLessThan(1e-4);
    for (const factor of factors.keys()) {
      const expected = await read(`${factor}.grad`);
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(difference(floats(found[`${factor}.grad`]), expected) / largest, factor).toBeLessThan(1e-3);
    }
  });
});

test.each<[string, string, Partial<ModelConfig>]>([
  ["mistral", "a window one longer", { windows: [65, 64] }],
  ["qwen2-window", "a window in the lower layer too", { windows: [64, 64] }],
  ["gemma2", "windows in the other layers", { windows: [0, 64, 0] }],
  ["gemma2", "scores without a cap", { attentionCap: 0 }],
  ["gemma2", "logits without a cap", { logitCap: 0 }],
  ["gemma2", "the head size as query scalar", { queryScalar: undefined }],
  ["llama-3", "rotary frequencies that are not stretched", { ropeScaling: undefined }],
  ["llama-linear", "rotary frequencies that are not stretched", { ropeScaling: undefined }],
])("%s with %s is another model: the reference tells them apart", async (name, _, changes) => {
  const reference = await openReferenceModel(name);
  const config = { ...reference.model.config, ...changes };
  const weights = { ...reference.model.weights, ...ropeWeights(config) };
  await using run = await createFullModel({ config, weights });
  expect(await longDifference(reference, await run.logits(reference.tokens))).toBeGreaterThan(0.01);
});

/** The loss of predicting each token of a row from those before it, and its gradients by the factors of a LoRA. */
function loraGradients(config: ModelConfig) {
  const factors = new Map<string, Node>();
  const factor = (name: string, shape: readonly number[]): Node => {
    const node = factors.get(name) ?? input(name, shape);
    factors.set(name, node);
    return node;
  };
  const targets = linearMaps(config).filter((target) => ["gate", "up", "down"].includes(target));
  const adapted = new Map(
    targets.flatMap((target) =>
      Array.from({ length: config.layers }, (_, layer) => [linearName(config, layer, target), target] as const),
    ),
  );
  const parts = wrapLinear(denseParts(frozenWeights()), (name, plain) => {
    const target = adapted.get(name);
    if (target === undefined) return plain;
    const { inputs, outputs } = linearSize(config, target);
    return withLora(plain, { a: factor(`${name}.A`, [4, inputs]), b: factor(`${name}.B`, [outputs, 4]) }, loraScale);
  });
  const tokens = input("tokens", [1, 300], "i64");
  const rows = logits(config, parts, flattenRows(forward(config, parts, embed(config, parts, tokens))));
  const next = slice(reshape(tokens, [300]), 0, 1, 300);
  const loss = meanCrossEntropy(slice(rows, 0, 0, 299), next);
  const nodes = [...factors];
  const gradients = grad(
    loss,
    nodes.map(([, node]) => node),
  );
  return { loss, factors, gradients: Object.fromEntries(nodes.map(([name], i) => [`${name}.grad`, gradients[i]!])) };
}
