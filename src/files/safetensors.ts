/** @file Reading safetensors files from untrusted places. */
import type { FileHandle } from "node:fs/promises";
import { AppError } from "../base/errors.ts";
import { withRegularFile } from "../base/read-file.ts";
import {
  findTensor,
  headerLength,
  parseHeader,
  type SafetensorsFile,
  type TensorInfo,
  toFloats,
} from "./safetensors-header.ts";

export {
  dtypeBytes,
  elementCount,
  type SafetensorsDtype,
  type SafetensorsFile,
  safetensorsLimits,
  type TensorInfo,
} from "./safetensors-header.ts";

/** Reads and checks the header. Throws E_NOT_FOUND, E_IO, E_LIMIT, E_DTYPE, or E_FORMAT for what is no safetensors. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  return withRegularFile(path, async (file, fileBytes) => {
    const start = fileBytes < 10 ? new Uint8Array(0) : await readExactly(file, path, 0, 8);
    const headerBytes = headerLength(start, fileBytes, path);
    return { path, ...parseHeader(await readExactly(file, path, 8, headerBytes), fileBytes, path) };
  });
}

/** A tensor as fp32; see `toFloats`. */
export async function readTensor(file: SafetensorsFile, name: string): Promise<Float32Array> {
  return readFloats(file, findTensor(file, name));
}

/** What lies at a place of a file, as fp32: a tensor, or some of its rows. */
export async function readFloats(file: SafetensorsFile, info: TensorInfo): Promise<Float32Array> {
  return toFloats(file.path, info, (await readBytes(file, info)).buffer);
}

/** A tensor's bytes as they lie in the file (little-endian), in a buffer of their own. */
export async function readTensorBytes(file: SafetensorsFile, name: string): Promise<Uint8Array<ArrayBuffer>> {
  return readBytes(file, findTensor(file, name));
}

async function readBytes(file: SafetensorsFile, { offset, bytes }: TensorInfo): Promise<Uint8Array<ArrayBuffer>> {
  return withRegularFile(file.path, async (handle, size) => {
    if (size !== file.fileBytes)
      throw new AppError("E_FORMAT", `${file.path}: had ${file.fileBytes} bytes when opened, now has ${size}`);
    return readExactly(handle, file.path, offset, bytes);
  });
}

/** Node reads at most 2 GiB at a time. */
const maxReadBytes = 2 ** 30;

async function readExactly(
  file: FileHandle,
  path: string,
  offset: number,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes > 2 ** 32) throw new AppError("E_LIMIT", `${path}: a tensor of ${bytes} bytes, the limit is 4 GiB`);
  const out = new Uint8Array(bytes);
  for (let done = 0; done < bytes; ) {
    const length = Math.min(maxReadBytes, bytes - done);
    const { bytesRead } = await file.read(out, done, length, offset + done);
    if (bytesRead === 0) throw new AppError("E_FORMAT", `${path}: ends at byte ${offset + done}, it was cut off`);
    done += bytesRead;
  }
  return out;
}
