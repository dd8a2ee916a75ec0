/** @file An expert's file: a safetensors file of vectors, its provenance in the metadata. */
import { mkdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";
import { Sha256 } from "../base/sha256.ts";
import { version } from "../base/version.ts";
import { openSafetensors, readTensor } from "../files/safetensors.ts";
import { writeSafetensors } from "../files/safetensors-write.ts";
import { type Expert, requireFiniteExpert } from "./expert.ts";

export const expertFileName = "expert.safetensors";
export const expertFormat = "lora-gen svf expert 1";

/** Most factors of one map: no model is wider. */
const maxFactors = 2 ** 20;

const made = "made.";
const suffix = ".z";

const Metadata = z.looseObject({
  format: z.literal(expertFormat),
  model_sha256: Sha256,
  renormalize: z.enum(["true", "false"]),
});

/** Writes an expert; its tensors are named by weights, `.z` in place of `.weight`. Throws E_NAN before anything is written. */
export async function writeExpert(path: string, expert: Expert): Promise<void> {
  requireFiniteExpert(expert, path);
  const tensors = [...expert.scales].map(([weight, factors]) => ({
    name: weight.replace(/\.weight$/, suffix),
    dtype: "F32" as const,
    shape: [factors.length],
    data: factors,
  }));
  const madeBy = Object.fromEntries(Object.entries(expert.madeBy).map(([key, value]) => [made + key, value]));
  await mkdir(dirname(path), { recursive: true });
  await writeSafetensors(path, tensors, {
    format: expertFormat,
    model_sha256: expert.modelSha256,
    renormalize: String(expert.renormalize),
    version,
    ...madeBy,
  });
}

/**
 * Reads an expert from its file, or from a folder that holds one, such as a run's output.
 * @throws E_NOT_FOUND, E_FORMAT, E_LIMIT; E_NAN naming a factor that is no number
 */
export async function readExpert(path: string): Promise<Expert> {
  const file = await openSafetensors(await expertFile(path));
  const metadata = checkSchema(file.metadata, Metadata, { what: `${file.path}: metadata` });
  const scales = new Map<string, Float32Array>();
  for (const { name, shape, dtype } of file.tensors.values()) {
    if (dtype !== "F32" || shape.length !== 1 || !name.endsWith(suffix))
      throw new AppError(
        "E_FORMAT",
        `${file.path}: "${name}": expected a vector "….z" of F32, found ${dtype} [${shape}]`,
      );
    if (shape[0]! > maxFactors)
      throw new AppError("E_LIMIT", `${file.path}: "${name}" has ${shape[0]} factors, the limit is ${maxFactors}`);
    scales.set(`${name.slice(0, -suffix.length)}.weight`, await readTensor(file, name));
  }
  if (scales.size === 0) throw new AppError("E_FORMAT", `${file.path}: expected vectors "….z", found none`);
  const expert = {
    modelSha256: metadata.model_sha256,
    scales,
    renormalize: metadata.renormalize === "true",
    madeBy: Object.fromEntries(
      Object.entries(file.metadata)
        .filter(([key]) => key.startsWith(made))
        .map(([key, value]) => [key.slice(made.length), value]),
    ),
  };
  requireFiniteExpert(expert, file.path);
  return expert;
}

/** The file itself, or the one in a folder. Throws E_NOT_FOUND naming where it was looked for. */
export async function expertFile(path: string): Promise<string> {
  for (const file of [path, join(path, expertFileName)])
    if ((await stat(file).catch(() => undefined))?.isFile()) return file;
  throw new AppError("E_NOT_FOUND", `${path}: expected an expert, or a folder with ${expertFileName}`);
}
