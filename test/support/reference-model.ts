/** @file The models of `test/fixtures/models`, and what transformers computed with them (test/fixtures/make/architectures.py). */
import { join, resolve } from "node:path";
import { openSafetensors, readTensor } from "../../src/files/safetensors.ts";
import { flattenRows, input } from "../../src/graph/build.ts";
import { embed, forward, logits } from "../../src/models/decoder.ts";
import type { FrozenModel } from "../../src/models/frozen-model.ts";
import type { Model } from "../../src/models/model.ts";
import { openModel } from "../../src/models/model-file.ts";
import { denseParts, frozenWeights } from "../../src/nn/parts.ts";
import { compile } from "../../src/runtime/node.ts";
import { floats, intTensor } from "../../src/runtime/tensor.ts";

export const referenceModels = resolve(import.meta.dirname, "../fixtures/models");

export type ReferenceModel = {
  readonly model: Model;
  /** 300 of them. */
  readonly tokens: readonly number[];
  /** Positions of the longest prompt whose logits are known in full. */
  readonly rows: readonly number[];
  readonly read: (name: string) => Promise<Float32Array>;
};

export async function openReferenceModel(name: string): Promise<ReferenceModel> {
  const directory = join(referenceModels, name);
  const file = await openSafetensors(join(directory, "reference.safetensors"));
  const read = (tensor: string) => readTensor(file, tensor);
  return {
    model: await openModel(directory),
    tokens: [...(await read("tokens"))],
    rows: [...(await read("rows"))],
    read,
  };
}

/** A model without a cache: the logits of every token of one sequence. */
export async function createFullModel({ config, weights }: FrozenModel) {
  const parts = denseParts(frozenWeights());
  const tokens = input("tokens", ["batch", "time"], "i64");
  const rows = logits(config, parts, flattenRows(forward(config, parts, embed(config, parts, tokens))));
  const session = await compile({ outputs: { rows } }, { weights, threads: 1 });
  return {
    async logits(ids: readonly number[]): Promise<Float32Array[]> {
      return rowsOf(floats((await session.run({ tokens: intTensor([1, ids.length], ids) }))["rows"]), config.vocab);
    },
    [Symbol.asyncDispose]: () => session.close(),
  };
}

/** (n, width) → n rows. */
export const rowsOf = (values: Float32Array, width: number): Float32Array[] =>
  Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width));
