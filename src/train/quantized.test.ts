import { describe, expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { createRng } from "../base/rng.ts";
import { flattenRows, gather, input, matmul, mul, sum } from "../graph/build.ts";
import { grad } from "../graph/grad.ts";
import { interpret } from "../graph/interpret.ts";
import { numbersOf, tensor } from "../graph/tensor.ts";
import { embed, forward, logits } from "../models/decoder.ts";
import { embeddingName, parameterShapes } from "../models/parameters.ts";
import { withLora } from "../nn/lora.ts";
import { meanCrossEntropy } from "../nn/loss.ts";
import { denseParts, frozenWeights, type Parts, wrapLinear } from "../nn/parts.ts";
import { type QuantizeOptions, quantizeBlocks } from "../nn/quantize.ts";
import { quantizedParts, quantizedTensors } from "../nn/quantized.ts";
import { compile } from "../runtime/node.ts";
import type { WeightSource } from "../runtime/session.ts";
import { floats, floatTensor } from "../runtime/tensor.ts";
import { rowFeeds, rowInputs } from "./batch.ts";
import type { TrainingState } from "./state.ts";
import type { StepSpec } from "./step.ts";
import { createTrainer } from "./trainer.ts";

/** The tensors that `quantizedParts` asks for in place of a weight (n, k). */
function quantizedSources(name: string, values: Float32Array, n: number, k: number, options: QuantizeOptions) {
  const blocks = quantizeBlocks(values, n, k, options);
  const tensors = quantizedTensors(name, n, k, options);
  const sources: Record<string, WeightSource> = {};
  for (const part of ["packed", "scales", "zeros"] as const)
    if (tensors[part] !== undefined) sources[tensors[part].name] = { kind: "data", data: blocks[part]! };
  return sources;
}

const layouts: (QuantizeOptions & { title: string; noise: number })[] = [
  { title: "int8", bits: 8, blockSize: 16, symmetric: true, noise: 0.02 },
  { title: "int8 with zero points", bits: 8, blockSize: 16, symmetric: false, noise: 0.02 },
  { title: "int4", bits: 4, blockSize: 16, symmetric: true, noise: 0.15 },
  { title: "int4 with zero points", bits: 4, blockSize: 16, symmetric: false, noise: 0.15 },
];

describe.each(layouts)("$title", ({ noise, ...options }) => {
  const [n, k, rows] = [24, 40, 5];
  const rng = createRng("quantized linear");
  const [w, x, dy] = [n * k, rows * k, rows * n].map((size) => rng.fillNormal(new Float32Array(size), 1)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];

  test("the product is near the exact one; the gradient by the input is exact for the quantised weight", async () => {
    const parts = quantizedParts(denseParts(frozenWeights()), () => options);
    const node = input("x", [rows, k]);
    const y = parts.linear("map", k, n)(node);
    const [dx] = grad(sum(mul(y, input("dy", [rows, n]))), [node]);
    const weights = quantizedSources("map.weight", w, n, k, options);
    await using session = await compile({ outputs: { y, dx: dx! } }, { weights, threads: 1 });
    const results = await session.run({ x: floatTensor([rows, k], x), dy: floatTensor([rows, n], dy) });

    const plain = (a: Float32Array, b: Float32Array, transB: boolean) => {
      const nodes = { a: input("a", [rows, transB ? k : n]), b: input("b", [n, k]) };
      const inputs = { a: tensor([rows, transB ? k : n], a), b: tensor([n, k], b) };
      return numbersOf(interpret({ outputs: { y: matmul(nodes.a, nodes.b, { transB }) } }, { inputs })["y"]!);
    };
    expect(relativeDistance(floats(results["y"]), plain(x, w, true))).toBeLessThan(noise);
    expect(relativeDistance(floats(results["dx"]), plain(dy, dequantized(w, n, k, options), false))).toBeLessThan(1e-6);
  });
});

/** ‖a − b‖ / ‖b‖ */
const relativeDistance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.hypot(...Array.from(a, (value, i) => value - b[i]!)) / Math.hypot(...Array.from(b));

/** The values that the codes stand for, read out of their definition. */
function dequantized(w: Float32Array, n: number, k: number, options: QuantizeOptions): Float32Array {
  const { bits, blockSize = 32 } = options;
  const { packed, scales, zeros } = quantizeBlocks(w, n, k, options);
  const blocks = Math.ceil(k / blockSize);
  const codeOf = (bytes: Uint8Array, rowBytes: number, row: number, i: number) =>
    bits === 8 ? bytes[row * rowBytes + i]! : (bytes[row * rowBytes + (i >> 1)]! >> (i % 2 === 0 ? 0 : 4)) & 15;
  return w.map((_, at) => {
    const [row, i] = [Math.floor(at / k), at % k];
    const block = Math.floor(i / blockSize);
    const zero = zeros === undefined ? 2 ** (bits - 1) : codeOf(zeros, Math.ceil((blocks * bits) / 8), row, block);
    return (codeOf(packed, (blocks * blockSize * bits) / 8, row, i) - zero) * scales[row * blocks + block]!;
  });
}

test("LoRA over a frozen int8 model learns what it learns over the fp32 model", async () => {
  const { config, weights } = randomLlama({ seed: 5, hidden: 32, ffn: 64 });
  const options = { bits: 8, blockSize: 32 } as const;
  const layoutOf = (name: string) => (name === embeddingName(config) ? undefined : options);
  const quantized: Record<string, WeightSource> = { ...weights };
  for (const [name, shape] of parameterShapes(config)) {
    if (shape.length !== 2) continue;
    const { data } = weights[name] as { data: Float32Array };
    Object.assign(quantized, quantizedSources(name, data, shape[0]!, shape[1]!, options));
  }
  const [dense, int8] = [
    await learn(config, () => denseParts(frozenWeights()), weights),
    await learn(config, () => quantizedParts(denseParts(frozenWeights()), layoutOf), quantized),
  ];
  expect(dense.at(-1)).toBeLessThan(0.85 * dense[0]!);
  dense.forEach((loss, i) => {
    expect(Math.abs(int8[i]! - loss), `step ${i + 1}`).toBeLessThan(0.05 * loss);
  });
});

/** Losses of LoRA on every feed-forward map, frozen parts as given. */
async function learn(
  config: Parameters<typeof forward>[0],
  frozen: () => Parts,
  weights: Record<string, WeightSource>,
): Promise<number[]> {
  const rank = 8;
  const targets = [...parameterShapes(config)].filter(([name]) => name.includes("mlp"));
  const parameters = new Map<string, readonly number[]>(
    targets.flatMap(([name, [outputs, inputs]]) => [
      [`${name}.a`, [rank, inputs!]],
      [`${name}.b`, [outputs!, rank]],
    ]),
  );
  const spec: StepSpec = {
    parameters,
    optimizer: { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 },
    maxGradientNorm: 1,
    objective: (nodes) => {
      const parts = wrapLinear(frozen(), (name, plain) => {
        const pair = { a: nodes[`${name}.weight.a`]!, b: nodes[`${name}.weight.b`]! };
        return pair.a === undefined ? plain : withLora(plain, pair, 1);
      });
      const { tokens, rows, targets: next } = rowInputs("text");
      const hidden = forward(config, parts, embed(config, parts, tokens));
      return { loss: meanCrossEntropy(logits(config, parts, gather(flattenRows(hidden), rows)), next) };
    },
  };
  const rng = createRng("learn");
  const state: TrainingState = Object.fromEntries(
    [...parameters].map(([name, shape]) => {
      const values = new Float32Array(shape[0]! * shape[1]!);
      return [`p/${name}`, floatTensor(shape, name.endsWith("a") ? rng.fillNormal(values, 0.2) : values)];
    }),
  );
  const sequences = [0, 1].map((from) => Array.from({ length: 12 }, (_, i) => (from * 7 + i * 5) % config.vocab));
  const feeds = rowFeeds(
    "text",
    sequences.map((ids) => ({ ids, answers: [[1, ids.length]] })),
    0,
  );
  await using trainer = await createTrainer(spec, { weights, state, threads: 1, prepack: true });
  const losses: number[] = [];
  for (let i = 0; i < 30; i++) losses.push((await trainer.step([feeds], 0.1))["loss"]![0]!);
  return losses;
}
