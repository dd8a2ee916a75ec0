/** @file Writing safetensors files: deterministic bytes, atomically, one tensor in memory at a time when asked. */
import type { FileHandle } from "node:fs/promises";
import { writeAtomic } from "../base/atomic-file.ts";
import { AppError } from "../base/errors.ts";
import { float32ToBfloat16, float32ToFloat16 } from "../base/half.ts";
import { dtypeBytes, elementCount, type SafetensorsDtype, safetensorsLimits } from "./safetensors.ts";

export type TensorData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

export interface TensorToWrite {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Little-endian elements or bytes; fp32 for F16 and BF16 is rounded. A function is called when its turn comes. */
  readonly data: TensorData | (() => TensorData | Promise<TensorData>);
}

/**
 * Writes tensors, the widest types first and then by name, so equal content gives equal files and every tensor is
 * aligned to its element (the data to 8 bytes). Returns nothing; throws E_SHAPE, E_LIMIT, E_FORMAT or E_IO.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const ordered = [...tensors].sort((a, b) => dtypeBytes[b.dtype] - dtypeBytes[a.dtype] || compare(a.name, b.name));
  const header = makeHeader(ordered, metadata, path);
  await writeAtomic(path, async (file) => {
    await writeAll(file, header);
    for (const tensor of ordered) await writeAll(file, await tensorBytes(tensor, path));
  });
}

/** Length, JSON, and spaces up to a multiple of 8 bytes. */
function makeHeader(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
  path: string,
): Uint8Array {
  const entries: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0)
    entries.push(["__metadata__", Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => compare(a, b)))]);
  const names = new Set(["__metadata__"]);
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    if (names.has(name))
      throw new AppError("E_FORMAT", `cannot write ${path}: two tensors named ${JSON.stringify(name)}`);
    names.add(name);
    if (name.length > safetensorsLimits.nameLength || shape.length > safetensorsLimits.rank)
      throw new AppError("E_LIMIT", `cannot write ${path}: name or shape of ${JSON.stringify(name)} is too long`);
    const end = offset + elementCount(shape) * dtypeBytes[dtype];
    entries.push([name, { dtype, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const padded = Math.ceil(json.length / 8) * 8;
  if (padded > safetensorsLimits.headerBytes || tensors.length > safetensorsLimits.tensors)
    throw new AppError("E_LIMIT", `cannot write ${path}: ${tensors.length} tensors, a header of ${padded} bytes`);
  const header = Buffer.alloc(8 + padded, " ");
  header.writeBigUInt64LE(BigInt(padded));
  json.copy(header, 8);
  return header;
}

async function tensorBytes({ name, dtype, shape, data: source }: TensorToWrite, path: string): Promise<Uint8Array> {
  let data = typeof source === "function" ? await source() : source;
  if (data instanceof Float32Array && dtype === "F16") data = float32ToFloat16(data);
  if (data instanceof Float32Array && dtype === "BF16") data = float32ToBfloat16(data);
  const expected = elementCount(shape) * dtypeBytes[dtype];
  if (data.byteLength !== expected)
    throw new AppError(
      "E_SHAPE",
      `cannot write ${path}: ${name} [${shape}] of ${dtype} needs ${expected} bytes, has ${data.byteLength}`,
    );
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Node writes at most 2 GiB at a time. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(2 ** 30, bytes.length - done));
    done += bytesWritten;
  }
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
