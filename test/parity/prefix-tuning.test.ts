/** @file Keys and values in front give the logits of PEFT's prefix tuning (test/fixtures/make/prefix_tuning.py): decoding, and training's graph. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createCachedModel } from "../../src/decode/cached-model.ts";
import { add, constant, flattenRows, input } from "../../src/graph/build.ts";
import { embed, forwardView, logits, viewOf } from "../../src/models/decoder.ts";
import { openModel } from "../../src/models/model-file.ts";
import { denseParts, frozenWeights } from "../../src/nn/parts.ts";
import { compile } from "../../src/runtime/node.ts";
import { floats, intTensor } from "../../src/runtime/tensor.ts";

type Layer = { readonly k: number[]; readonly v: number[] };
const fixtures = join(import.meta.dirname, "../fixtures");
const {
  ids,
  positions,
  layers,
  logits: wanted,
} = JSON.parse(readFileSync(join(fixtures, "prefix-tuning/reference.json"), "utf8")) as {
  ids: number[];
  positions: number;
  layers: Layer[];
  logits: number[][];
};

function expectLogits(found: Float32Array): void {
  const all = wanted.flat();
  expect(found).toHaveLength(all.length);
  found.forEach((value, i) => void expect(Math.abs(value - all[i]!)).toBeLessThan(1e-4));
}

test("decoding behind the prefix", async () => {
  const model = await openModel(join(fixtures, "peft/base"));
  const prefix = {
    positions,
    layers: layers.map(({ k, v }) => ({ k: Float32Array.from(k), v: Float32Array.from(v) })),
  };
  await using cached = await createCachedModel(model, { threads: 1, prefix });
  expectLogits(Float32Array.from(await cached.feedAll(ids)));
});

test("the form that has a gradient", async () => {
  const { config, weights } = await openModel(join(fixtures, "peft/base"));
  const parts = denseParts(frozenWeights());
  const embedded = embed(config, parts, input("tokens", ["rows", "time"], "i64"));
  const view = viewOf(embedded);
  const size = [1, config.kvHeads, positions, config.headDim];
  const prefix = layers.map(({ k, v }) => ({ k: constant(k, size), v: constant(v, size) }));
  const behind = { ...view, positions: add(view.positions, constant(positions, [], "i64")), prefix };
  const rows = logits(config, parts, flattenRows(forwardView(config, parts, embedded, behind)));
  await using session = await compile({ outputs: { rows } }, { weights, threads: 1 });
  expectLogits(floats((await session.run({ tokens: intTensor([1, ids.length], ids) })).rows));
});
