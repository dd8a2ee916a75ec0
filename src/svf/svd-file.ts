/** @file The decomposition of one weight on disk: U, Σ and V in a safetensors file, with hashes of the model and of themselves. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { checkSchema } from "../base/json.ts";
import { openSafetensors, readTensor, type SafetensorsFile } from "../files/safetensors.ts";
import { writeSafetensors } from "../files/safetensors-write.ts";
import type { WeightSource } from "../runtime/session.ts";
import type { Svd } from "./svd.ts";

/** A linear map that can be decomposed: the name of its weight in the checkpoint, and its size. */
export type SvfMap = { readonly weight: string; readonly inputs: number; readonly outputs: number };

export const mapRank = ({ inputs, outputs }: Pick<SvfMap, "inputs" | "outputs">): number => Math.min(inputs, outputs);

/** A decomposition that lies on disk, checked. */
export type SvdFile = SvfMap & {
  readonly rank: number;
  readonly path: string;
  readonly bytes: number;
  readonly error: number;
  /** u (r, out), s (r), v (r, in). */
  readonly sources: Readonly<Record<"u" | "s" | "v", WeightSource>>;
};

/** Largest ‖W − UΣVᵀ‖ / ‖W‖ of a decomposition that is kept. */
export const largestSvdError = 1e-5;

const format = "lora-gen svd 1";

const Metadata = z.looseObject({
  format: z.literal(format),
  model_sha256: z.string(),
  weight: z.string(),
  error: z.string(),
  content_sha256: z.string(),
});

const contentSha256 = (parts: readonly Float32Array[]): string =>
  sha256(parts.map((part) => sha256(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))).join("\n"));

export async function writeSvd(path: string, modelSha256: string, weight: string, svd: Svd): Promise<void> {
  const { rank, outputs, inputs, u, s, v, error } = svd;
  await writeSafetensors(
    path,
    [
      { name: "u", dtype: "F32", shape: [rank, outputs], data: u },
      { name: "s", dtype: "F32", shape: [rank], data: s },
      { name: "v", dtype: "F32", shape: [rank, inputs], data: v },
    ],
    { format, model_sha256: modelSha256, weight, error: String(error), content_sha256: contentSha256([u, s, v]) },
  );
}

/**
 * Opens the decomposition of a map and checks all of it.
 * @throws E_NOT_FOUND; E_FORMAT for a file that was cut off or damaged; E_MISMATCH where it is of another model or weight
 */
export async function openSvd(path: string, modelSha256: string, map: SvfMap): Promise<SvdFile> {
  const file = await openSafetensors(path);
  const metadata = checkSchema(file.metadata, Metadata, { what: `${path}: metadata` });
  if (metadata.model_sha256 !== modelSha256 || metadata.weight !== map.weight)
    throw new AppError(
      "E_MISMATCH",
      `${path}: expected ${map.weight} of the model ${modelSha256}, found ${metadata.weight} of ${metadata.model_sha256}`,
    );
  const error = /^\d/.test(metadata.error) ? Number(metadata.error) : Number.NaN; // not part of the hash of the numbers
  if (!(error <= largestSvdError))
    throw new AppError(
      "E_FORMAT",
      `${path}: expected an error of at most ${largestSvdError}, found ${JSON.stringify(metadata.error)}`,
    );
  const rank = mapRank(map);
  requireShape(file, "u", [rank, map.outputs]);
  requireShape(file, "s", [rank]);
  requireShape(file, "v", [rank, map.inputs]);
  const found = contentSha256(await Promise.all((["u", "s", "v"] as const).map((name) => readTensor(file, name))));
  if (found !== metadata.content_sha256)
    throw new AppError(
      "E_FORMAT",
      `${path}: its numbers should have sha256 ${metadata.content_sha256}, found ${found}`,
    );
  const source = (name: string): WeightSource => {
    const { offset, bytes } = file.tensors.get(name)!;
    return { kind: "file", path, offset, bytes };
  };
  return {
    ...map,
    rank,
    path,
    bytes: file.fileBytes,
    error,
    sources: { u: source("u"), s: source("s"), v: source("v") },
  };
}

function requireShape({ path, tensors }: SafetensorsFile, name: string, shape: readonly number[]): void {
  const info = tensors.get(name);
  if (info?.dtype !== "F32" || String(info.shape) !== String(shape))
    throw new AppError(
      "E_FORMAT",
      `${path}: "${name}" should be F32 [${shape}], found ${info === undefined ? "none" : `${info.dtype} [${info.shape}]`}`,
    );
}
