/** @file Reading safetensors files from untrusted places: the header is checked completely before anything is used. */
import type { FileHandle } from "node:fs/promises";
import { AppError } from "../base/errors.ts";
import { type JsonValue, parseJson } from "../base/json.ts";
import { withRegularFile } from "../base/read-file.ts";
import { decodeUtf8 } from "../base/utf8.ts";
import { bfloat16ToFloat32, float16ToFloat32 } from "./half.ts";

/** Bounds for a file from anywhere; the format itself names only the first. */
export const safetensorsLimits = {
  headerBytes: 100_000_000,
  tensors: 100_000,
  rank: 8,
  nameLength: 1024,
  depth: 3, // header → tensor → shape
} as const;

/** Bytes of one element. */
export const dtypeBytes = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
} as const;

export type SafetensorsDtype = keyof typeof dtypeBytes;

export interface TensorInfo {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Of the first byte, from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

/** A file whose header was read and found sound; its tensors stay on the disk until asked for. */
export interface SafetensorsFile {
  readonly path: string;
  readonly headerBytes: number;
  readonly fileBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** Reads and checks the header. Throws E_NOT_FOUND, E_IO, E_LIMIT, E_DTYPE, or E_FORMAT for what is no safetensors. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  return withRegularFile(path, async (file, fileBytes) => {
    if (fileBytes < 10)
      throw new AppError("E_FORMAT", `${path}: ${fileBytes} bytes are too few for a safetensors file`);
    const length = await readExactly(file, path, 0, 8);
    const headerLength = Buffer.from(length.buffer).readBigUInt64LE();
    if (headerLength > safetensorsLimits.headerBytes)
      throw new AppError(
        "E_LIMIT",
        `${path}: claims a header of ${headerLength} bytes, the limit is ${safetensorsLimits.headerBytes}`,
      );
    if (headerLength > fileBytes - 8)
      throw new AppError("E_FORMAT", `${path}: claims a header of ${headerLength} bytes in ${fileBytes} bytes of file`);
    const headerBytes = Number(headerLength);
    return { path, ...parseHeader(await readExactly(file, path, 8, headerBytes), fileBytes, path) };
  });
}

/** A tensor as fp32; F64, I64 and U64 lose what fp32 cannot hold, BOOL gives 0 and 1. Throws E_DTYPE for fp8. */
export async function readTensor(file: SafetensorsFile, name: string): Promise<Float32Array> {
  const { dtype } = findTensor(file, name);
  const convert = toFloat32[dtype];
  if (convert === undefined)
    throw new AppError("E_DTYPE", `${file.path}: tensor ${name} is ${dtype}, which is not supported as weights`);
  return convert((await readTensorBytes(file, name)).buffer);
}

/** A tensor's bytes as they lie in the file (little-endian), in a buffer of their own. */
export async function readTensorBytes(file: SafetensorsFile, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const { offset, bytes } = findTensor(file, name);
  return withRegularFile(file.path, async (handle, size) => {
    if (size !== file.fileBytes)
      throw new AppError("E_FORMAT", `${file.path}: had ${file.fileBytes} bytes when opened, now has ${size}`);
    return readExactly(handle, file.path, offset, bytes);
  });
}

/** The entry of a tensor. Throws E_FORMAT when the file has none of that name. */
export function findTensor(file: SafetensorsFile, name: string): TensorInfo {
  const info = file.tensors.get(name);
  if (info === undefined) throw new AppError("E_FORMAT", `${file.path}: has no tensor named ${JSON.stringify(name)}`);
  return info;
}

/** Number of elements; not safe for shapes from files, whose product may overflow. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1);
}

const toFloat32: Readonly<Record<SafetensorsDtype, ((data: ArrayBuffer) => Float32Array) | undefined>> = {
  F32: (data) => new Float32Array(data),
  F16: (data) => float16ToFloat32(new Uint16Array(data)),
  BF16: (data) => bfloat16ToFloat32(new Uint16Array(data)),
  F64: (data) => new Float32Array(new Float64Array(data)),
  I64: (data) => Float32Array.from(new BigInt64Array(data), Number),
  U64: (data) => Float32Array.from(new BigUint64Array(data), Number),
  I32: (data) => new Float32Array(new Int32Array(data)),
  U32: (data) => new Float32Array(new Uint32Array(data)),
  I16: (data) => new Float32Array(new Int16Array(data)),
  U16: (data) => new Float32Array(new Uint16Array(data)),
  I8: (data) => new Float32Array(new Int8Array(data)),
  U8: (data) => new Float32Array(new Uint8Array(data)),
  BOOL: (data) => Float32Array.from(new Uint8Array(data), (value) => (value === 0 ? 0 : 1)),
  F8_E4M3: undefined,
  F8_E5M2: undefined,
};

/** Everything the header says, checked against itself and the size of the file. */
function parseHeader(header: Uint8Array, fileBytes: number, path: string): Omit<SafetensorsFile, "path"> {
  const headerBytes = header.length;
  if (header[0] !== 0x7b) throw new AppError("E_FORMAT", `${path}: the header does not begin with "{"`);
  const root = parseJson(decodeUtf8(header, `${path}: header`), {
    what: `${path}: header`,
    maxBytes: safetensorsLimits.headerBytes,
    maxDepth: safetensorsLimits.depth,
    uniqueKeys: true,
  }) as Record<string, JsonValue>; // it begins with "{"
  const { __metadata__: rawMetadata, ...entries } = root;
  const names = Object.keys(entries);
  if (names.length > safetensorsLimits.tensors)
    throw new AppError("E_LIMIT", `${path}: ${names.length} tensors, the limit is ${safetensorsLimits.tensors}`);
  const dataStart = 8 + headerBytes;
  const infos = names.map((name) => parseEntry(name, entries[name], dataStart, path));
  checkCoverage(infos, dataStart, fileBytes, path);
  const metadata = rawMetadata === undefined ? {} : parseMetadata(rawMetadata, path);
  return { headerBytes, fileBytes, metadata, tensors: new Map(infos.map((info) => [info.name, info])) };
}

function parseMetadata(value: JsonValue, path: string): Record<string, string> {
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === "string"))
    throw new AppError("E_FORMAT", `${path}: __metadata__ must map strings to strings`);
  return value as Record<string, string>;
}

function parseEntry(name: string, entry: JsonValue | undefined, dataStart: number, path: string): TensorInfo {
  if (name.length > safetensorsLimits.nameLength)
    throw new AppError(
      "E_LIMIT",
      `${path}: a tensor name of ${name.length} characters, the limit is ${safetensorsLimits.nameLength}`,
    );
  const fail = (why: string, code: "E_FORMAT" | "E_DTYPE" | "E_LIMIT" = "E_FORMAT"): never => {
    throw new AppError(code, `${path}: tensor ${JSON.stringify(name)}: ${why}`);
  };
  if (entry === undefined || !isObject(entry)) return fail("expected an object");
  const { dtype, shape, data_offsets: offsets, ...rest } = entry;
  for (const key of Object.keys(rest)) fail(`unexpected key ${JSON.stringify(key)}`);
  if (typeof dtype !== "string") return fail("dtype is not a string");
  if (!isDtype(dtype)) return fail(`dtype ${JSON.stringify(dtype.slice(0, 40))} is not supported`, "E_DTYPE");
  if (!Array.isArray(shape)) return fail("shape is not an array");
  if (shape.length > safetensorsLimits.rank)
    return fail(`${shape.length} axes, the limit is ${safetensorsLimits.rank}`, "E_LIMIT");
  if (!shape.every(isSize)) return fail("shape must hold whole numbers from 0 to 2^53 - 1");
  let bytes: number = dtypeBytes[dtype];
  for (const size of shape) {
    bytes *= size;
    if (!Number.isSafeInteger(bytes)) return fail(`shape [${shape}] overflows`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    return fail("data_offsets must be two whole numbers from 0 to 2^53 - 1");
  const [begin, end] = offsets as [number, number];
  if (end < begin) return fail(`data_offsets [${begin}, ${end}] are reversed`);
  if (end - begin !== bytes) return fail(`shape [${shape}] of ${dtype} needs ${bytes} bytes, has ${end - begin}`);
  return { name, dtype, shape, offset: dataStart + begin, bytes };
}

/** The format demands that the tensors cover the data exactly: no overlap, no hole, nothing behind. */
function checkCoverage(infos: readonly TensorInfo[], dataStart: number, fileBytes: number, path: string): void {
  let end = dataStart;
  for (const { name, offset, bytes } of [...infos].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    const tensor = `tensor ${JSON.stringify(name)}`;
    if (offset + bytes > fileBytes)
      throw new AppError("E_FORMAT", `${path}: ${tensor} ends at byte ${offset + bytes} of ${fileBytes}`);
    if (offset < end) throw new AppError("E_FORMAT", `${path}: ${tensor} overlaps another`);
    if (offset > end) throw new AppError("E_FORMAT", `${path}: ${offset - end} unused bytes before ${tensor}`);
    end = offset + bytes;
  }
  if (end !== fileBytes) throw new AppError("E_FORMAT", `${path}: ${fileBytes - end} unused bytes at the end`);
}

const isObject = (value: JsonValue): value is { [key: string]: JsonValue } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isDtype = (name: string): name is SafetensorsDtype => Object.hasOwn(dtypeBytes, name);
const isSize = (value: JsonValue): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0);

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
