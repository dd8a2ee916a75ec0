import { expect, test } from "vitest";
import { tinyGenerator } from "../../test/support/tiny-generator.ts";
import { createRng } from "../base/rng.ts";
import type { Graph } from "../graph/types.ts";
import { frozenSources } from "../models/frozen-model.ts";
import { type Quantization, storedWeights } from "../models/quantized/layout.ts";
import { quantizeModel } from "../models/quantized/quantize-model.ts";
import { dequantizeBlocks } from "../nn/quantize.ts";
import { compile } from "../runtime/node.ts";
import type { WeightSource } from "../runtime/session.ts";
import { floats, scalarTensor, zeros as zeroTensor } from "../runtime/tensor.ts";
import { buildAccumulate, type StepSpec, stepNames } from "./step.ts";
import { createTrainer } from "./trainer.ts";

type Weights = Readonly<Record<string, WeightSource>>;

const valuesOf = <T>(source: WeightSource | undefined): T => (source as { data: unknown }).data as T;

/** The frozen weights of both models quantised, and the same weights as plain numbers again. */
async function quantizedPair(quantization: Quantization) {
  const tiny = tinyGenerator();
  const sources: Record<string, WeightSource> = {};
  const plain: Record<string, WeightSource> = { ...tiny.weights };
  for (const part of ["cloud", "edge"] as const) {
    const prefix = `${part}.`;
    const own = Object.entries(tiny.weights).filter(([name]) => name.startsWith(prefix));
    const weights = Object.fromEntries(own.map(([name, source]) => [name.slice(prefix.length), source]));
    const model = await quantizeModel({ config: tiny.pair[part], weights }, quantization);
    Object.assign(sources, frozenSources(model, prefix));
    for (const { name, shape, layout } of storedWeights(tiny.pair[part], quantization)) {
      if (layout === undefined) continue;
      const tensor = <T>(which: string) => valuesOf<T>(model.weights[`${name}.${which}`]);
      const zeros = quantization.symmetric ? undefined : tensor<Uint8Array>("zeros");
      const blocks = { packed: tensor<Uint8Array>("packed"), scales: tensor<Float32Array>("scales"), zeros };
      plain[prefix + name] = { kind: "data", data: dequantizeBlocks(blocks, shape[0]!, shape[1]!, layout) };
    }
  }
  return { tiny, sources, plain };
}

/** The gradient of every parameter, by name. */
async function gradientsOf(spec: StepSpec, weights: Weights, tiny: ReturnType<typeof tinyGenerator>) {
  const graph: Graph = buildAccumulate(spec);
  await using session = await compile(graph, { weights, threads: 1 });
  const sums = Object.fromEntries(
    [...spec.parameters].map(([name, shape]) => [stepNames.gradient(name), zeroTensor("f32", shape)]),
  );
  const outputs = await session.run({
    ...tiny.start({ moved: true }),
    ...sums,
    ...tiny.feeds(createRng("quantized generator")),
    [stepNames.accumulationShare]: scalarTensor(1),
  });
  return [...spec.parameters.keys()].map(
    (name) => [name, floats(outputs[stepNames.next(stepNames.gradient(name))])] as const,
  );
}

const norm = (values: ArrayLike<number>) => Math.hypot(...Array.from(values));
const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  norm(Array.from(a, (value, i) => value - b[i]!)) / norm(b);

// What is left of a difference is the operator's: it rounds what it reads to int8. The tolerances are those of a single map.
const layouts = ([8, 4] as const).flatMap((bits) =>
  [true, false].map((symmetric) => ({
    bits,
    symmetric,
    tolerance: bits === 8 ? 0.02 : 0.15,
    each: bits === 8 ? 0.05 : 0.15,
  })),
);

test.each(layouts)(
  "gradients over a pair of $bits bits, symmetric $symmetric, are those over its dequantised weights",
  async ({ tolerance, each, ...quantization }) => {
    const { tiny, sources, plain } = await quantizedPair(quantization);
    const quantized = { cloud: quantization, edge: quantization };
    const found = await gradientsOf(tiny.spec({ quantized }), sources, tiny);
    const expected = await gradientsOf(tiny.spec(), plain, tiny);
    const [all, reference] = [found, expected].map((list) => list.flatMap(([, values]) => [...values]));
    expect(distance(all!, reference!)).toBeLessThan(tolerance);
    const total = norm(reference!);
    found.forEach(([name, values], i) => {
      // A bias before batch normalisation has no gradient: where there is little, it is held against the whole.
      const least = Math.max(norm(expected[i]![1]), 0.05 * total);
      expect((distance(values, expected[i]![1]) * norm(expected[i]![1])) / least, name).toBeLessThan(each);
    });
  },
);

test("a generator learns over an int4 cloud and an int8 edge", async () => {
  const cloud = await quantizedPair({ bits: 4, symmetric: true });
  const edge = await quantizedPair({ bits: 8, symmetric: true });
  const only = (weights: Weights, prefix: string) =>
    Object.entries(weights).filter(([name]) => name.startsWith(prefix));
  const weights = Object.fromEntries([...only(cloud.sources, "cloud."), ...only(edge.sources, "edge.")]);
  const quantized = { cloud: { bits: 4, symmetric: true }, edge: { bits: 8, symmetric: true } } as const;
  const { tiny } = cloud;
  await using trainer = await createTrainer(tiny.spec({ quantized }), {
    weights,
    state: tiny.start(),
    threads: 1,
    prepack: true,
  });
  const feeds = tiny.feeds(createRng("learn"));
  const losses: number[] = [];
  for (let i = 0; i < 40; i++) losses.push((await trainer.step([feeds], 0.02))["answerLoss"]![0]!);
  expect(losses.at(-1)).toBeLessThan(0.85 * losses[0]!);
});
