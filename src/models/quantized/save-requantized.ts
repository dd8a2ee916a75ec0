/** @file A model merged into quantised weights as a quantised directory: a model of its own, with a record that it was merged. */

import type { FrozenModel } from "../frozen-model.ts";
import type { Model } from "../model.ts";
import { baseConfig, type MergeRecord, mergeRecordKey } from "../save-merged.ts";
import { bytesOfSource } from "./dequantize.ts";
import type { StoredWeight } from "./layout.ts";
import { writeQuantized } from "./write-directory.ts";

export type SaveRequantizedOptions = {
  readonly record: MergeRecord;
  /** Where tokenizer files are taken from if the base model has none. */
  readonly tokenizerDirectory: string;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Writes the directory. Like any merged model it has the identity of its own weights, not the base model's: what was made for that one
 * does not fit this one.
 */
export async function saveRequantizedModel(
  directory: string,
  base: Model,
  { config, quantization, weights }: FrozenModel,
  { record, tokenizerDirectory, signal }: SaveRequantizedOptions,
): Promise<void> {
  if (quantization === undefined) throw new Error("internal: the merged model is not quantised");
  const model = {
    config,
    quantization,
    valuesOf: ({ tensors }: StoredWeight) => Promise.all(tensors.map(({ name }) => bytesOfSource(weights[name]!))),
    json: { ...(await baseConfig(base)), [mergeRecordKey.config]: record },
    baseSha256: undefined,
    tokenizerDirectories: [base.directory, tokenizerDirectory],
  };
  await writeQuantized(directory, model, { signal });
}
