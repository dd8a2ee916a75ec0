/** @file Whether a quantised directory was made from the model that it says: its codes are what quantising that model gives. */
import { AppError } from "../../base/errors.ts";
import { requireRunning } from "../../base/interrupt.ts";
import { readWeight } from "../../runtime/read-weight.ts";
import { readModelConfig } from "../config-file.ts";
import { toConfigJson } from "../config-json.ts";
import { openModel } from "../model-file.ts";
import { bytesOfSource } from "./dequantize.ts";
import { openQuantizedDirectory } from "./directory-file.ts";
import { type ResolvedQuantization, storedWeights, storeWeight } from "./layout.ts";

export type VerifyOptions = {
  /** Called with every weight. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Looked at before every weight. */
  readonly signal?: AbortSignal | undefined;
};

/**
 * A directory says itself which model it was made from (`base_sha256`), and its specialisations are those of that model. Whoever can change
 * its weights can write any hash beside them; this compares the weights, one at a time, with those that `base` gives.
 * @returns the identity that the directory is right to have
 * @throws E_CONFIG where it is not quantised; E_MISMATCH naming the hashes, or the first weight that differs; E_INTERRUPTED; and as reading
 * does
 */
export async function verifyQuantizedDirectory(
  directory: string,
  base: string,
  { onProgress, signal }: VerifyOptions = {},
): Promise<{ readonly quantization: ResolvedQuantization; readonly sha256: string; readonly weights: number }> {
  const config = await readModelConfig(directory);
  const found = await openQuantizedDirectory(directory, config);
  if (found === undefined) throw new AppError("E_CONFIG", `${directory}: expected a quantised directory`);
  const { quantization, weights, sha256 } = found;
  const differs = (what: string) =>
    new AppError("E_MISMATCH", `${directory}: ${what}: it was not made from ${base}, or was changed since`);
  const model = await openModel(base);
  if (model.quantization !== undefined)
    throw new AppError("E_CONFIG", `${base}: expected the model that was quantised`);
  if (model.sha256 !== sha256)
    throw differs(`its config.json names a base of sha256 ${sha256}, but that of ${base} is ${model.sha256}`);
  const shape = (json: object) => JSON.stringify(json);
  if (shape(toConfigJson(config)) !== shape(toConfigJson(model.config)))
    throw differs("its config.json describes another model");
  const stored = storedWeights(config, quantization);
  for (const [done, weight] of stored.entries()) {
    requireRunning(signal);
    const values = storeWeight(weight, await readWeight(model.weights[weight.name]!));
    for (const [i, { name }] of weight.tensors.entries()) {
      const { buffer, byteOffset, byteLength } = values[i]!;
      const here = await bytesOfSource(weights[name]!);
      if (Buffer.compare(here, new Uint8Array(buffer, byteOffset, byteLength)) !== 0)
        throw differs(`"${name}" is not what quantising the base gives`);
    }
    onProgress?.(done + 1, stored.length);
  }
  return { quantization, sha256, weights: stored.length };
}
