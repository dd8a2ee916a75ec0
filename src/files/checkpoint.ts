/** @file Training checkpoints: one safetensors file per step, complete or absent, the newest few kept. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isTemporaryName } from "../base/atomic-file.ts";
import { AppError } from "../base/errors.ts";
import { ensureFolder } from "../base/folder.ts";
import { ioError } from "../base/io-error.ts";
import { type JsonValue, parseJson } from "../base/json.ts";
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
  await writeSafetensors(
    path,
    Object.entries(tensors).map(([name, { shape, data }]) => ({ name, dtype: "F32" as const, shape, data })),
    { kind, step: String(step), state: stringifyState(state) },
  );
  const older = (await listSteps(directory)).filter((entry) => entry.step < step).slice(keep - 1);
  const leftOver = (await listNames(directory)).filter((name) => isTemporaryName(name) && name.startsWith(".step-"));
  for (const name of [...older.map((entry) => entry.name), ...leftOver]) {
    await rm(join(directory, name), { force: true });
  }
  return path;
}

/** The path of the newest checkpoint in a folder, or undefined when it has none or is not there. */
export async function latestCheckpoint(directory: string): Promise<string | undefined> {
  const [newest] = await listSteps(directory);
  return newest === undefined ? undefined : join(directory, newest.name);
}

/** Reads a checkpoint. Throws E_NOT_FOUND, E_IO, or E_FORMAT for what is none. */
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
  const state = parseJson(metadata["state"], { what: `${path}: state`, maxBytes: safetensorsLimits.headerBytes });
  return { step, tensors: Object.fromEntries(tensors), state };
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
