/** @file Two models that may be one: a file that is named twice is opened, hashed and held once. */
import { realpath, stat } from "node:fs/promises";
import { sha256File } from "../base/hash-file.ts";
import type { Model } from "./model.ts";
import { type OpenOptions, openModel } from "./model-file.ts";

export type ModelToOpen = OpenOptions & { readonly path: string };

/**
 * Opens both. Where they are to be held alike and are one folder, one file, or two GGUF files of the same content, both results share one
 * record of weights; so they do where two folders turn out to hold the same weights.
 * @throws as `openModel`
 */
export async function openTwo(first: ModelToOpen, second: ModelToOpen): Promise<readonly [Model, Model]> {
  const isHeldAlike = holding(first) === holding(second);
  if (isHeldAlike && (await isSame(first.path, second.path))) {
    const model = await openModel(first.path, first);
    return [model, { ...model, directory: second.path }];
  }
  const [one, other] = await Promise.all([openModel(first.path, first), openModel(second.path, second)]);
  const isOne = isHeldAlike && identity(one) === identity(other);
  return [one, isOne ? { ...one, directory: second.path } : other];
}

const holding = ({ quantize, keepBlocks = false, exact = false }: OpenOptions): string =>
  JSON.stringify([quantize ?? null, keepBlocks, exact]);

/** Weights, and what is computed with them. */
const identity = ({ config, sha256, weightsSha256, quantization, blocks }: Model): string =>
  JSON.stringify([config, sha256, weightsSha256, quantization, [...(blocks ?? [])]]);

async function isSame(a: string, b: string): Promise<boolean> {
  const [placeA, placeB] = await Promise.all([a, b].map((path) => realpath(path).catch(() => path)));
  if (placeA === placeB) return true;
  if (!a.endsWith(".gguf") || !b.endsWith(".gguf")) return false;
  const [sizeA, sizeB] = await Promise.all([a, b].map(async (path) => (await stat(path).catch(() => undefined))?.size));
  return sizeA !== undefined && sizeA === sizeB && (await sha256File(a)) === (await sha256File(b));
}
