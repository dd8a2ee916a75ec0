/** @file Training checkpoints: one safetensors file per step, complete or absent, the newest few kept. */
import { createHash } from "node:crypto";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { ensureFolder } from "../base/folder.ts";
import { ioError } from "../base/io-error.ts";
import { type JsonValue, parseJson } from "../base/json.ts";
import { sweepFolder } from "../base/temporary-name.ts";
import { openSafetensors, readTensor, safetensorsLimits } from "./safetensors.ts";
import { writeSafetensors } from "./safetensors-write.ts";

export interface CheckpointTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** All that training needs to go on as if it had never stopped. */
export interface Checkpoint {
  /** Steps finished. */
  readonly step: number;
  readonly tensors: Readonly<Record<string, CheckpointTensor>>;
  /** Random state, position in the data, best score, … as JSON. */
  readonly state: JsonValue;
}

export interface SaveCheckpointOptions extends Checkpoint {
  /** How many checkpoints stay, this one included; older ones go once this one is safe on the disk. */
  readonly keep?: number;
}

const kind = "lora-gen checkpoint 1";
const namePattern = /^step-(\d{8,})\.safetensors$/;

/** Writes `step-00000123.safetensors` and returns its path. Killed at any moment, what was loadable before still is. */
export async function saveCheckpoint(
  directory: string,
  { step, tensors, state, keep = 2 }: SaveCheckpointOptions,
): Promise<string> {
  if (!Number.isSafeInteger(step) || step < 0 || keep < 1) throw new Error(`internal: step ${step}, keep ${keep}`);
  const path = join(directory, `step-${String(step).padStart(8, "0")}.safetensors`);
  await ensureFolder(directory);
  const text = stringifyState(state);
  await writeSafetensors(
    path,
    Object.entries(tensors).map(([name, { shape, data }]) => ({ name, dtype: "F32" as const, shape, data })),
    { kind, step: String(step), state: text, sha256: checksum(step, text, tensors) },
  );
  const older = (await listSteps(directory)).filter((entry) => entry.step < step).slice(keep - 1);
  for (const { name } of older) await rm(join(directory, name), { force: true });
  await sweepFolder(directory, (name) => namePattern.test(name));
  return path;
}

/** SHA-256 of all that is loaded, in an order of its own: the order of tensors in the file is the writer's. */
function checksum(step: number, state: string, tensors: Checkpoint["tensors"]): string {
  const names = Object.keys(tensors).sort();
  const hash = createHash("sha256").update(
    JSON.stringify([step, state, names.map((name) => [name, tensors[name]!.shape])]),
  );
  for (const name of names) {
    const { buffer, byteOffset, byteLength } = tensors[name]!.data;
    for (let at = 0; at < byteLength; at += hashBytes)
      hash.update(new Uint8Array(buffer, byteOffset + at, Math.min(hashBytes, byteLength - at)));
  }
  return hash.digest("hex");
}

/** Node hashes at most 2 GiB at a time. */
const hashBytes = 2 ** 30;

/** Removes all checkpoints of a folder, and nothing else in it. */
export async function removeCheckpoints(directory: string): Promise<void> {
  for (const { name } of await listSteps(directory)) await rm(join(directory, name), { force: true });
}

/** The path of the newest checkpoint in a folder, or undefined when it has none or is not there. */
export async function latestCheckpoint(directory: string): Promise<string | undefined> {
  const [newest] = await listSteps(directory);
  return newest === undefined ? undefined : join(directory, newest.name);
}

/** What the newest sound checkpoint holds, and the newer ones that are damaged. */
export type Loaded = {
  readonly checkpoint: Checkpoint;
  readonly damaged: readonly { readonly path: string; readonly why: string }[];
};

/**
 * Reads the newest checkpoint of a folder; where it is damaged, the newest that is not. Undefined where there is none at all.
 * @throws E_FORMAT where all are damaged: as the newest one; E_IO
 */
export async function loadNewest(directory: string): Promise<Loaded | undefined> {
  const damaged: { path: string; why: string }[] = [];
  let first: AppError | undefined;
  for (const { name } of await listSteps(directory)) {
    const path = join(directory, name);
    try {
      return { checkpoint: await loadCheckpoint(path), damaged };
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "E_IO") throw error;
      if (error.code === "E_NOT_FOUND") continue; // it was removed meanwhile
      first ??= error;
      damaged.push({ path, why: error.message });
    }
  }
  if (first !== undefined) throw first;
  return undefined;
}

/** Takes a damaged checkpoint out of the row, keeping its file. Returns its new path. */
export async function setAside(path: string): Promise<string> {
  const aside = `${path}.damaged`;
  await rename(path, aside).catch((error: unknown) => {
    throw ioError(error, "write", aside);
  });
  return aside;
}

/** Reads a checkpoint. Throws E_NOT_FOUND, E_IO, or E_FORMAT for what is none or not what was written. */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const file = await openSafetensors(path);
  const { metadata } = file;
  if (metadata["kind"] !== kind)
    throw new AppError("E_FORMAT", `${path}: expected "${kind}", found ${JSON.stringify(metadata["kind"] ?? "none")}`);
  const step = Number(metadata["step"]);
  if (!Number.isSafeInteger(step) || step < 0 || metadata["state"] === undefined)
    throw new AppError("E_FORMAT", `${path}: step or state is missing`);
  const tensors: [string, CheckpointTensor][] = [];
  for (const { name, dtype, shape } of file.tensors.values()) {
    if (dtype !== "F32") throw new AppError("E_FORMAT", `${path}: ${name} is ${dtype}, checkpoints hold F32`);
    tensors.push([name, { shape, data: await readTensor(file, name) }]);
  }
  const { state: text, sha256: wanted } = metadata;
  const state = parseJson(text, { what: `${path}: state`, maxBytes: safetensorsLimits.headerBytes });
  const checkpoint = { step, tensors: Object.fromEntries(tensors), state };
  // Earlier versions wrote no checksum, and nothing beside the other three.
  const isEarlier = wanted === undefined && Object.keys(metadata).length === 3;
  const found = isEarlier ? undefined : checksum(step, text, checkpoint.tensors);
  if (found !== wanted)
    throw new AppError(
      "E_FORMAT",
      `${path}: damaged: expected sha256 ${JSON.stringify(wanted ?? "none")}, found ${found}`,
    );
  return checkpoint;
}

/** JSON drops what it cannot say (NaN becomes null): a resumed run would differ, so it is refused. */
function stringifyState(state: JsonValue): string {
  return JSON.stringify(state, (key, value: unknown) => {
    if (value === undefined || typeof value === "function" || (typeof value === "number" && !Number.isFinite(value)))
      throw new AppError(
        "E_NAN",
        `checkpoint state: ${JSON.stringify(key)} is ${String(value)}, which JSON cannot hold`,
      );
    return value;
  });
}

/** Newest first. */
async function listSteps(directory: string): Promise<{ name: string; step: number }[]> {
  return (await listNames(directory))
    .flatMap((name) => {
      const match = namePattern.exec(name);
      return match === null ? [] : [{ name, step: Number(match[1]) }];
    })
    .sort((a, b) => b.step - a.step);
}

async function listNames(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw ioError(error, "read", directory);
  }
}
