/** @file The file of what was trained beside a frozen model: named tensors in safetensors, what they are and whose in the metadata. */
import { mkdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import { Sha256 } from "../base/sha256.ts";
import { version } from "../base/version.ts";
import { openSafetensors, readTensor, type SafetensorsFile } from "../files/safetensors.ts";
import { writeSafetensors } from "../files/safetensors-write.ts";
import { requireFinite } from "../lora/low-rank.ts";

export const learnedFileName = "learned.safetensors";
const format = "lora-gen learned 1";

export type Learned<Settings> = {
  /** The hash of the model's weights. */
  readonly modelSha256: string;
  readonly settings: Settings;
  readonly tensors: ReadonlyMap<string, Float32Array>;
};

type Shapes = ReadonlyMap<string, readonly number[]>;

const Metadata = z.looseObject({ format: z.literal(format), model_sha256: Sha256, settings: z.string() });

/** Writes tensors of these shapes. Throws E_NAN before anything is written. */
export async function writeLearned(
  path: string,
  { modelSha256, settings, tensors }: Learned<object>,
  shapes: Shapes,
): Promise<void> {
  for (const [name, values] of tensors) requireFinite(values, () => `${path}: "${name}"`);
  await mkdir(dirname(path), { recursive: true });
  await writeSafetensors(
    path,
    [...shapes].map(([name, shape]) => ({ name, dtype: "F32" as const, shape, data: tensors.get(name)! })),
    { format, model_sha256: modelSha256, settings: JSON.stringify(settings), version },
  );
}

/** What the file must be for. */
export type LearnedFor<Settings> = {
  readonly modelSha256: string;
  readonly settings: z.ZodType<Settings>;
  /** The tensors that settings ask for. */
  readonly shapes: (settings: Settings) => Shapes;
};

/**
 * Reads what was trained for a model: the file itself, or the one in a run's output.
 * @throws E_NOT_FOUND; E_FORMAT for another kind of file or other settings; E_MISMATCH for another model; E_SHAPE; E_NAN
 */
export async function readLearned<Settings>(path: string, wanted: LearnedFor<Settings>): Promise<Learned<Settings>> {
  const file = await openSafetensors(await learnedFile(path));
  const metadata = checkSchema(file.metadata, Metadata, { what: `${file.path}: metadata` });
  const settings = checkSchema(parseJson(metadata.settings, { what: file.path }), wanted.settings, {
    what: `${file.path}: settings`,
    code: "E_FORMAT",
  });
  const { model_sha256: modelSha256 } = metadata;
  if (modelSha256 !== wanted.modelSha256)
    throw new AppError(
      "E_MISMATCH",
      `${file.path}: was trained for a model of hash ${modelSha256.slice(0, 12)}, found ${wanted.modelSha256.slice(0, 12)}`,
    );
  const shapes = wanted.shapes(settings);
  requireShapes(file, shapes);
  const tensors = new Map<string, Float32Array>();
  for (const name of shapes.keys()) {
    const values = await readTensor(file, name);
    requireFinite(values, () => `${file.path}: "${name}"`);
    tensors.set(name, values);
  }
  return { modelSha256, settings, tensors };
}

function requireShapes({ path, tensors }: SafetensorsFile, shapes: Shapes): void {
  const extra = [...tensors.keys()].find((name) => !shapes.has(name));
  if (extra !== undefined) throw new AppError("E_SHAPE", `${path}: expected no tensor "${extra}", found one`);
  for (const [name, shape] of shapes) {
    const found = tensors.get(name);
    const isRight = found?.dtype === "F32" && String(found.shape) === String(shape);
    if (!isRight)
      throw new AppError(
        "E_SHAPE",
        `${path}: "${name}": expected F32 [${shape}], found ${found === undefined ? "none" : `${found.dtype} [${found.shape}]`}`,
      );
  }
}

async function learnedFile(path: string): Promise<string> {
  for (const file of [path, join(path, learnedFileName)])
    if ((await stat(file).catch(() => undefined))?.isFile()) return file;
  throw new AppError("E_NOT_FOUND", `${path}: expected such a file, or a folder with ${learnedFileName}`);
}
