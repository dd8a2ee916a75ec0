/** @file Small Llama models of random weights, and their logits without a cache. */
import { createRng } from "../../src/base/rng.ts";
import { flattenRows, input } from "../../src/graph/build.ts";
import { type ModelConfig, plainLlama } from "../../src/models/config.ts";
import { embed, forward, logits } from "../../src/models/decoder.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { ropeWeights } from "../../src/models/rope.ts";
import { denseParts, frozenWeights, type Parts } from "../../src/nn/parts.ts";
import { compile } from "../../src/runtime/node.ts";
import type { WeightSource } from "../../src/runtime/session.ts";
import { floats, intTensor } from "../../src/runtime/tensor.ts";

type Model = { readonly config: ModelConfig; readonly weights: Record<string, WeightSource> };

/** A model of random weights, large enough for logits that differ clearly. */
export function randomLlama({ seed = 1, ...changes }: Partial<ModelConfig> & { seed?: number } = {}): Model {
  const config: ModelConfig = {
    ...plainLlama,
    hidden: 32,
    ffn: 48,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    headDim: 8,
    vocab: 50,
    context: 64,
    epsilon: 1e-5,
    ropeTheta: 10000,
    tied: false,
    bosId: 1,
    eosIds: [2],
    ...changes,
  };
  const rng = createRng(seed);
  const weights: Record<string, WeightSource> = ropeWeights(config);
  for (const [name, shape] of parameterShapes(config)) {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    weights[name] = { kind: "data", data: rng.fillNormal(values, 1 / Math.sqrt(shape.at(-1)!)) };
  }
  return { config, weights };
}

/** Logits of every position by one pass over the whole sequence: one row per token. */
export async function fullLogits(
  { config, weights }: Model,
  ids: readonly number[],
  parts: Parts = denseParts(frozenWeights()),
): Promise<Float32Array[]> {
  const tokens = input("tokens", ["batch", "time"], "i64");
  const rows = logits(config, parts, flattenRows(forward(config, parts, embed(config, parts, tokens))));
  await using session = await compile({ outputs: { rows } }, { weights, threads: 1 });
  const values = floats((await session.run({ tokens: intTensor([1, ids.length], ids) })).rows);
  return ids.map((_, i) => values.slice(i * config.vocab, (i + 1) * config.vocab));
}
