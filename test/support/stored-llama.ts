/** @file A small Llama of random weights as a model's folder, opened. */

import type { Model } from "../../src/models/model.ts";
import { openModel, saveModel } from "../../src/models/model-file.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { randomLlama } from "./random-llama.ts";

/** Writes `randomLlama` of these options into a folder and opens it. */
export const storedLlama = (directory: string, options: Parameters<typeof randomLlama>[0] = {}): Promise<Model> =>
  storedModel(directory, randomLlama(options));

/** The same with a model whose values are in memory. */
export async function storedModel(
  directory: string,
  { config, weights }: ReturnType<typeof randomLlama>,
): Promise<Model> {
  const values = [...parameterShapes(config).keys()].map(
    (name) => [name, (weights[name] as { readonly data: Float32Array }).data] as const,
  );
  await saveModel(directory, config, new Map(values));
  return openModel(directory);
}
