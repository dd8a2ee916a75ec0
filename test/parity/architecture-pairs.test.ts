/** @file Every architecture as the edge and as the cloud of a pair: generators train over it, and its experts merge. */
import { describe, expect, test } from "vitest";
import { createRng } from "../../src/base/rng.ts";
import { createCachedModel } from "../../src/decode/cached-model.ts";
import { GeneratorConfig } from "../../src/generator/config.ts";
import { withExperts } from "../../src/generator/experts.ts";
import { generatorParameters, initialValues, type PairShape } from "../../src/generator/parameters.ts";
import { flattenRows, input } from "../../src/graph/build.ts";
import { architectures } from "../../src/models/architectures/index.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { embed, forward, logits } from "../../src/models/decoder.ts";
import { linearMaps } from "../../src/models/parameters.ts";
import { denseParts, frozenWeights } from "../../src/nn/parts.ts";
import { merge } from "../../src/pair/merge.ts";
import type { Pair } from "../../src/pair/pair-file.ts";
import { createSpecializer } from "../../src/pair/specialize.ts";
import { compile } from "../../src/runtime/node.ts";
import type { WeightSource } from "../../src/runtime/session.ts";
import { floats, floatTensor, intTensor } from "../../src/runtime/tensor.ts";
import { createTrainer } from "../../src/train/trainer.ts";
import { distance } from "../support/numeric.ts";
import { createFullModel, openReferenceModel } from "../support/reference-model.ts";
import { tinyGenerator } from "../support/tiny-generator.ts";
import { openTinyPair, specializationOf, type TinyPairOptions } from "../support/tiny-pair.ts";

const names = Object.keys(architectures); // the reference of that very name
const feedForward = ["gate", "up", "down"] as const;

describe.each(names)("%s", (name) => {
  test("a generator over it trains: the loss falls, gradients are finite, every tensor moves; so it does recomputing", async () => {
    const { model } = await openReferenceModel(name);
    const targets = linearMaps(model.config).filter((map) => (feedForward as readonly string[]).includes(map));
    const tiny = tinyGenerator({ targets }, { edge: model, cloud: model });
    const feeds = tiny.feeds(createRng("one batch"));
    const losses: Record<"kept" | "recomputed", number[]> = { kept: [], recomputed: [] };
    for (const [kind, recompute, steps] of [
      ["kept", false, 5],
      ["recomputed", true, 2],
    ] as const) {
      const spec = { ...tiny.spec(), recompute };
      await using trainer = await createTrainer(spec, { weights: tiny.weights, state: tiny.start(), threads: 1 });
      for (let i = 0; i < steps; i++) {
        const { loss, gradientNorm } = await trainer.step([feeds], 0.01);
        losses[kind].push(loss![0]!);
        expect(Number.isFinite(gradientNorm![0])).toBe(true);
        expect(gradientNorm![0]).toBeGreaterThan(0);
      }
      const [before, after] = [tiny.start(), trainer.state()];
      const still = Object.keys(before).filter((key) =>
        after[key]!.data.every((value, i) => value === before[key]!.data[i]),
      );
      expect(still).toEqual([]);
    }
    expect(losses.kept.at(-1)).toBeLessThan(losses.kept[0]!);
    expect(distance(losses.recomputed, losses.kept.slice(0, 2))).toBeLessThan(1e-5);
  });

  test("merged experts give what unmerged ones give, on all linear maps it has", async () => {
    const { model, tokens } = await openReferenceModel(name);
    const generator = GeneratorConfig.parse({
      experts: 3,
      topK: 2,
      rank: 2,
      alpha: 2,
      targets: linearMaps(model.config),
    });
    const shape: PairShape = { cloud: model.config, edge: model.config, generator };
    const tensors = initialValues(generatorParameters(shape), createRng(name));
    for (const [key, values] of tensors) if (/\.B$/.test(key)) createRng(key).fillNormal(values, 0.3);
    const pair = { shape, cloud: model, edge: model, generator: { config: generator, tensors, sha256: "g" } };
    const gates = Array.from({ length: model.config.layers }, (_, i) =>
      i % 2 === 0 ? [0.25, 0, 0.75] : [0, 0.6, 0.4],
    );
    const merged = await merge(pair as unknown as Pair, specializationOf(pair, gates));
    const ids = tokens.slice(0, 80);
    await using base = await createFullModel(model);
    await using changed = await createFullModel(merged);
    const found = joined(await changed.logits(ids));
    expect(distance(found, joined(await base.logits(ids)))).toBeGreaterThan(0.01);
    expect(distance(found, await unmergedLogits(shape, model.weights, tensors, gates, ids))).toBeLessThan(1e-5);
  });
});

const gemma2: Partial<ModelConfig> = {
  modelType: "gemma2",
  layers: 3,
  headDim: 12,
  windows: [16, 0, 16],
  attentionCap: 5,
  logitCap: 9,
  queryScalar: 20,
  tied: true,
};
const opt: Partial<ModelConfig> = {
  modelType: "opt",
  kvHeads: 4,
  biased: ["q", "k", "v", "o", "up", "down"],
  tied: true,
};
const qwen2: Partial<ModelConfig> = { modelType: "qwen2", biased: ["q", "k", "v"] };
const mistral: Partial<ModelConfig> = { modelType: "mistral", windows: [24, 24] };

test.each([
  ["gemma2", "opt", { cloud: gemma2, edge: opt, generator: { targets: ["up", "down"] } }],
  ["qwen2", "mistral", { cloud: qwen2, edge: mistral }],
] as const)(
  "a pair on disk of a %s cloud and a %s edge specialises: other prompts, other answers; cached = full",
  async (_cloud, _edge, options) => {
    const pair = await openTinyPair(options as TinyPairOptions);
    const ids = Array.from({ length: 60 }, (_, i) => 10 + ((7 * i) % 400));
    await using base = await createFullModel(pair.edge);
    const seen = [joined(await base.logits(ids))];
    await using specializer = await createSpecializer(pair, { threads: 1 });
    for (const prompt of ["Answer with yes or no.", "Name the city in the sentence, as JSON."]) {
      const merged = await merge(pair, await specializer.specialize(prompt));
      await using full = await createFullModel(merged);
      const found = joined(await full.logits(ids));
      for (const other of seen) expect(distance(found, other)).toBeGreaterThan(1e-3);
      seen.push(found);
      await using cached = await createCachedModel(merged, { threads: 1 });
      await cached.feedAll(ids.slice(0, 40));
      const rest = await cached.feedAll(ids.slice(40));
      expect(distance(rest, found.slice(40 * pair.edge.config.vocab))).toBeLessThan(1e-5);
    }
  },
);

const joined = (rows: readonly Float32Array[]): Float32Array => Float32Array.from(rows.flatMap((row) => [...row]));

/** Logits of every position with the experts beside the weights, as in training. */
async function unmergedLogits(
  shape: PairShape,
  weights: Readonly<Record<string, WeightSource>>,
  tensors: ReadonlyMap<string, Float32Array>,
  gates: readonly (readonly number[])[],
  ids: readonly number[],
): Promise<Float32Array> {
  const { edge, generator } = shape;
  const frozen = frozenWeights();
  const infos = generatorParameters(shape);
  const parameters = (name: string) => frozen(`generator.${name}`, infos.get(name)!.shape);
  const gatesNode = input("gates", ["prompts", edge.layers, generator.experts]);
  const parts = withExperts({
    shape,
    frozen: denseParts(frozen),
    parameters,
    gates: gatesNode,
    promptOf: input("prompt_of", ["rows"], "i64"),
  });
  const tokens = input("tokens", ["rows", "time"], "i64");
  const rows = logits(edge, parts, flattenRows(forward(edge, parts, embed(edge, parts, tokens))));
  const sources: Record<string, WeightSource> = { ...weights };
  for (const [name, data] of tensors) sources[`generator.${name}`] = { kind: "data", data };
  await using session = await compile({ outputs: { rows } }, { weights: sources, threads: 1 });
  const results = await session.run({
    tokens: intTensor([1, ids.length], ids),
    gates: floatTensor([1, edge.layers, generator.experts], gates.flat()),
    prompt_of: intTensor([1], [0]),
  });
  return floats(results["rows"]);
}
