/** @file The work of a training benchmark, written to files that our step and the peer's both read. */
import { mkdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../../src/base/errors.ts";
import { sha256 } from "../../src/base/hash.ts";
import { createRng } from "../../src/base/rng.ts";
import {
  dtypeBytes,
  elementCount,
  openSafetensors,
  readTensorBytes,
  type SafetensorsFile,
} from "../../src/files/safetensors.ts";
import { type TensorToWrite, writeSafetensors } from "../../src/files/safetensors-write.ts";
import { type ModelConfig, plainLlama } from "../../src/models/config.ts";
import type { Row } from "../../src/train/batch.ts";
import { projectRoot } from "./machine.ts";

/** How a step updates what it trains, and from what. */
export type StepSettings = {
  readonly learningRate: number;
  readonly optimizer: {
    readonly beta1: number;
    readonly beta2: number;
    readonly epsilon: number;
    readonly weightDecay: number;
  };
  readonly maxGradientNorm: number;
  /** A safetensors file with what the step reads besides frozen weights. */
  readonly inputs: string;
};

/** What a step over one model is told, as JSON, whoever makes it; `inputs` has `tokens` (rows, time) and `targets` (rows·time). */
export type Problem = StepSettings & {
  readonly config: ModelConfig;
  readonly rows: number;
  readonly time: number;
  /** The mixture of experts on gate, up and down; without it every weight is trained. */
  readonly experts?: { readonly count: number; readonly rank: number; readonly alpha: number };
  /** A safetensors file with the model's weights, by their Hugging Face names. */
  readonly weights: string;
  /** A safetensors file with the linear maps in int8 blocks, for the run that wants them. */
  readonly int8Weights?: string;
};

/** Generated files; never committed. */
export const cacheFolder = join(projectRoot, "work/bench");

/** The shape of a Llama model, the rest filled in. */
export const llamaShape = (
  shape: Pick<ModelConfig, "hidden" | "ffn" | "layers" | "heads" | "kvHeads" | "vocab" | "context" | "tied">,
): ModelConfig => ({
  ...plainLlama,
  headDim: shape.hidden / shape.heads,
  epsilon: 1e-5,
  ropeTheta: 10000,
  bosId: undefined,
  eosIds: [],
  ...shape,
});

/** A tensor of a benchmark's model: ones for a norm's gains, else uniform with a standard deviation of 0.02. Made anew at each call. */
export function randomTensor(seed: string, name: string, shape: readonly number[]): Float32Array {
  const values = new Float32Array(elementCount(shape));
  if (/norm\.weight$/.test(name)) return values.fill(1);
  return createRng(seed)
    .split(name)
    .fillUniform(values, 0.02 * Math.sqrt(3));
}

/** The same as something to write. */
export const randomTensors = (seed: string, shapes: ReadonlyMap<string, readonly number[]>): TensorToWrite[] =>
  [...shapes].map(([name, shape]) => ({ name, dtype: "F32", shape, data: () => randomTensor(seed, name, shape) }));

/**
 * Writes a safetensors file into the cache unless it is there already. Tensors given as functions are made one at a time.
 * @returns its path
 * @throws E_IO where the disk has no room
 */
export async function cachedTensors(name: string, tensors: readonly TensorToWrite[]): Promise<string> {
  const key = sha256(JSON.stringify(tensors.map((tensor) => [tensor.name, tensor.dtype, tensor.shape]))).slice(0, 8);
  const path = join(cacheFolder, `${name}-${key}.safetensors`);
  const known = await openSafetensors(path).catch(() => undefined);
  if (known !== undefined) return path;
  await mkdir(cacheFolder, { recursive: true });
  const bytes = tensors.reduce((total, { dtype, shape }) => total + elementCount(shape) * dtypeBytes[dtype], 0);
  await requireRoom(cacheFolder, bytes);
  await writeSafetensors(path, tensors);
  return path;
}

/** Throws E_IO where the disk of a folder lacks room for this and a tenth more. */
export async function requireRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free < bytes * 1.1)
    throw new AppError("E_IO", `${folder}: expected room for ${gigabytes(bytes)}, found ${gigabytes(free)}`);
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** `tokens` and `targets`: random token ids, every position supervised. */
export function randomTokens(rows: number, time: number, vocab: number): TensorToWrite[] {
  const rng = createRng("tokens");
  const ids = Array.from({ length: rows }, () => Array.from({ length: time + 1 }, () => rng.int(vocab)));
  const whole = (values: readonly number[]) => BigInt64Array.from(values, BigInt);
  return [
    { name: "tokens", dtype: "I64", shape: [rows, time], data: whole(ids.flatMap((row) => row.slice(0, -1))) },
    { name: "targets", dtype: "I64", shape: [rows * time], data: whole(ids.flatMap((row) => row.slice(1))) },
  ];
}

/** The rows of a problem as the trainer's batches take them. */
export async function problemRows({ rows, time, inputs }: Problem): Promise<Row[]> {
  const file = await openSafetensors(inputs);
  const [tokens, targets] = [await readWhole(file, "tokens"), await readWhole(file, "targets")];
  return Array.from({ length: rows }, (_, row) => {
    const ids = [...tokens.slice(row * time, (row + 1) * time), targets[(row + 1) * time - 1]!];
    return { ids, answers: [[1, time + 1]] };
  });
}

/** Random token ids, a stream of their own for each name. */
export function tokenTensor(name: string, shape: readonly number[], vocab: number): TensorToWrite {
  const rng = createRng("tokens").split(name);
  const ids = Array.from({ length: elementCount(shape) }, () => BigInt(rng.int(vocab)));
  return { name, dtype: "I64", shape, data: BigInt64Array.from(ids) };
}

/** Whole numbers of a tensor, in its order. */
export async function readWhole(file: SafetensorsFile, name: string): Promise<number[]> {
  const bytes = await readTensorBytes(file, name);
  return Array.from(new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8), Number);
}
