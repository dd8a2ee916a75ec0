/** @file The header of a safetensors file from untrusted places: checked completely before anything is used. */
import { AppError } from "../base/errors.ts";
import { bfloat16ToFloat32, float16ToFloat32 } from "../base/half.ts";
import { type JsonValue, parseJson } from "../base/json.ts";
import { decodeUtf8 } from "../base/utf8.ts";

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

/** The length of the header that the first 8 bytes of a file claim. Throws E_FORMAT or E_LIMIT. */
export function headerLength(start: Uint8Array, fileBytes: number, path: string): number {
  if (fileBytes < 10) throw new AppError("E_FORMAT", `${path}: ${fileBytes} bytes are too few for a safetensors file`);
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > safetensorsLimits.headerBytes)
    throw new AppError(
      "E_LIMIT",
      `${path}: claims a header of ${length} bytes, the limit is ${safetensorsLimits.headerBytes}`,
    );
  if (length > fileBytes - 8)
    throw new AppError("E_FORMAT", `${path}: claims a header of ${length} bytes in ${fileBytes} bytes of file`);
  return Number(length);
}

/** Everything the header says, checked against itself and the size of the file. */
export function parseHeader(header: Uint8Array, fileBytes: number, path: string): Omit<SafetensorsFile, "path"> {
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

/** A tensor's bytes as fp32; F64, I64 and U64 lose what fp32 cannot hold, BOOL gives 0 and 1. Throws E_DTYPE for fp8. */
export function toFloats(path: string, { name, dtype }: TensorInfo, data: ArrayBuffer): Float32Array {
  const convert = toFloat32[dtype];
  if (convert === undefined)
    throw new AppError("E_DTYPE", `${path}: tensor ${name} is ${dtype}, which is not supported as weights`);
  return convert(data);
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
