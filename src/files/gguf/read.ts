/** @file Reading GGUF files from untrusted places: everything before the weights is checked completely before anything is used. */
import type { FileHandle } from "node:fs/promises";
import { AppError } from "../../base/errors.ts";
import { withRegularFile } from "../../base/read-file.ts";
import { createCursor, type GgufCursor } from "./cursor.ts";
import { type GgufTensorType, ggufTypeById, ggufTypeNames, ggufTypes, otherTypeName } from "./types.ts";

/** Bounds for a file from anywhere. */
export const ggufLimits = {
  /** Keys of the metadata. */
  fields: 65_536,
  keyBytes: 1024,
  stringBytes: 4 * 2 ** 20,
  arrayLength: 2 ** 22,
  /** Of memory that keys and values may take together, by estimate. A vocabulary of 256,000 tokens with its merges takes about 25 MiB. */
  metadataBytes: 128 * 2 ** 20,
  /** Arrays in arrays: no known writer makes them. */
  arrayDepth: 1,
  tensors: 100_000,
  rank: 4,
  nameBytes: 256,
  alignment: 65_536,
} as const;

export type GgufScalarType =
  | "u8"
  | "i8"
  | "u16"
  | "i16"
  | "u32"
  | "i32"
  | "f32"
  | "bool"
  | "string"
  | "u64"
  | "i64"
  | "f64";

export type GgufScalar = number | bigint | boolean | string;

/** A value of the metadata. 64-bit integers are bigints where a number cannot hold them. */
export type GgufField =
  | { readonly type: GgufScalarType; readonly value: GgufScalar }
  | { readonly type: "array"; readonly of: GgufScalarType; readonly value: readonly GgufScalar[] };

/** In the order of their numbers in the file; 9 is the array. */
export const ggufFieldTypes: readonly (GgufScalarType | "array")[] = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
];

export type GgufTensor = {
  readonly name: string;
  readonly type: GgufTensorType;
  /** The outermost axis first, as in safetensors (the file has them the other way round). */
  readonly shape: readonly number[];
  /** Of the first byte, from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
};

/** One whose type is none of those that are read: how many bytes it takes is not known. */
export type UnreadableTensor = Pick<GgufTensor, "name" | "shape" | "offset"> & { readonly type: string };

/** A file whose header was read and found sound; its tensors stay on the disk until asked for. */
export type GgufFile = {
  readonly path: string;
  readonly version: number;
  readonly fileBytes: number;
  /** Which file it was, and when it had last changed. */
  readonly state: string;
  readonly alignment: number;
  readonly metadata: ReadonlyMap<string, GgufField>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** Those that can be named but not read. */
  readonly unreadable: ReadonlyMap<string, UnreadableTensor>;
};

/** Reads and checks the header of GGUF 2 or 3. Throws E_NOT_FOUND, E_IO, E_LIMIT, or E_FORMAT for what is no GGUF. */
export async function openGguf(path: string): Promise<GgufFile> {
  return withRegularFile(path, async (file, fileBytes) => {
    const cursor = createCursor(file, path, fileBytes);
    await cursor.fill(24);
    if (cursor.u32() !== 0x46554747) throw new AppError("E_FORMAT", `${path}: does not begin with "GGUF"`);
    const version = cursor.u32();
    if (version !== 2 && version !== 3)
      throw new AppError("E_FORMAT", `${path}: expected GGUF version 2 or 3, found ${version}`);
    const tensorCount = readCount(cursor, path, "tensors", ggufLimits.tensors, 32);
    const fieldCount = readCount(cursor, path, "metadata fields", ggufLimits.fields, 13);
    const metadata = await readMetadata(cursor, path, fieldCount);
    const alignment = alignmentOf(metadata, path);
    const claimed = await readTensorEntries(cursor, path, tensorCount);
    const dataStart = Math.ceil(cursor.position() / alignment) * alignment;
    const placed = placeTensors(claimed, { path, alignment, dataStart, fileBytes });
    return { path, version, fileBytes, state: await stateOf(file), alignment, metadata, ...placed };
  });
}

/** Rows of a tensor, from one on. */
export type GgufRows = { readonly from: number; readonly count: number };

/**
 * A tensor's values as fp32, row-major: all, or those of some rows. Throws E_FORMAT where the file has none of that name or was changed since
 * it was opened.
 */
export async function readGgufTensor(file: GgufFile, name: string, rows?: GgufRows): Promise<Float32Array> {
  const { type, offset, bytes } = partOf(findGgufTensor(file, name), rows);
  const { blockBytes, blockValues, decode } = ggufTypes[type];
  return withUnchanged(file, async (handle) => {
    const out = new Float32Array((bytes / blockBytes) * blockValues);
    const pieceBytes = Math.min(bytes, Math.floor(readBytes / blockBytes) * blockBytes);
    const piece = new Uint8Array(pieceBytes);
    for (let done = 0; done < bytes; done += pieceBytes) {
      const part = piece.subarray(0, Math.min(pieceBytes, bytes - done));
      await readExactly(handle, file.path, offset + done, part);
      const from = (done / blockBytes) * blockValues;
      decode(part, out.subarray(from, from + (part.length / blockBytes) * blockValues));
    }
    return out;
  });
}

/** The same rows' blocks as they lie in the file. Throws E_FORMAT as `readGgufTensor` does. */
export async function readGgufBytes(file: GgufFile, name: string, rows?: GgufRows): Promise<Uint8Array> {
  const { offset, bytes } = partOf(findGgufTensor(file, name), rows);
  return withUnchanged(file, async (handle) => {
    const out = new Uint8Array(bytes);
    await readExactly(handle, file.path, offset, out);
    return out;
  });
}

/** Where some rows of a tensor lie. Blocks never reach from one row into the next. */
function partOf({ type, shape, offset, bytes }: GgufTensor, rows: GgufRows | undefined) {
  const rowBytes = bytes / shape[0]!;
  return rows === undefined
    ? { type, offset, bytes }
    : { type, offset: offset + rows.from * rowBytes, bytes: rows.count * rowBytes };
}

async function stateOf(file: FileHandle): Promise<string> {
  const { ino, mtimeMs } = await file.stat();
  return `${ino} ${mtimeMs}`;
}

async function withUnchanged<T>(file: GgufFile, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  return withRegularFile(file.path, async (handle, size) => {
    if (size !== file.fileBytes)
      throw new AppError("E_FORMAT", `${file.path}: had ${file.fileBytes} bytes when opened, now has ${size}`);
    if ((await stateOf(handle)) !== file.state)
      throw new AppError("E_FORMAT", `${file.path}: was changed since it was opened; open it again`);
    return use(handle);
  });
}

/** Throws E_DTYPE where a file has tensors whose values cannot be read: it can be described, and is no use otherwise. */
export function requireReadable({ path, unreadable }: GgufFile): void {
  const [first] = unreadable.values();
  if (first === undefined) return;
  const more = unreadable.size === 1 ? "" : `, and ${unreadable.size - 1} more`;
  throw new AppError(
    "E_DTYPE",
    `${path}: tensor ${JSON.stringify(first.name)}${more}: ${first.type} is not supported; expected ${ggufTypeNames.join(", ")}`,
  );
}

/** The entry of a tensor. Throws E_FORMAT when the file has none of that name. */
export function findGgufTensor(file: GgufFile, name: string): GgufTensor {
  const info = file.tensors.get(name);
  if (info === undefined) throw new AppError("E_FORMAT", `${file.path}: has no tensor named ${JSON.stringify(name)}`);
  return info;
}

/** Of a tensor read at a time. */
const readBytes = 16 * 2 ** 20;

async function readExactly(file: FileHandle, path: string, offset: number, out: Uint8Array): Promise<void> {
  for (let done = 0; done < out.length; ) {
    const { bytesRead } = await file.read(out, done, Math.min(out.length - done, readBytes), offset + done);
    if (bytesRead === 0) throw new AppError("E_FORMAT", `${path}: ends at byte ${offset + done}, it was cut off`);
    done += bytesRead;
  }
}

/** A count that the rest of the file can hold at all, given the fewest bytes of each. */
function readCount(cursor: GgufCursor, path: string, what: string, limit: number, leastBytes: number): number {
  const count = cursor.u64();
  if (count > limit) throw new AppError("E_LIMIT", `${path}: claims ${count} ${what}, the limit is ${limit}`);
  if (Number(count) * leastBytes > cursor.remaining())
    throw new AppError("E_FORMAT", `${path}: claims ${count} ${what} in ${cursor.remaining()} bytes`);
  return Number(count);
}

async function readMetadata(cursor: GgufCursor, path: string, count: number): Promise<Map<string, GgufField>> {
  const metadata = new Map<string, GgufField>();
  const spend = createBudget(path, ggufLimits.metadataBytes);
  for (let i = 0; i < count; i++) {
    const key = await readString(cursor, `${path}: key ${i}`, ggufLimits.keyBytes);
    if (metadata.has(key)) throw new AppError("E_FORMAT", `${path}: duplicate key ${JSON.stringify(key)}`);
    spend(fieldBytes + memoryBytes.string + key.length);
    metadata.set(key, await readField(cursor, `${path}: ${JSON.stringify(key)}`, spend));
  }
  return metadata;
}

/** Takes bytes of the metadata's budget. Throws E_LIMIT where it is used up. */
type Spend = (bytes: number) => void;

function createBudget(path: string, limit: number): Spend {
  let left = limit;
  return (bytes) => {
    left -= bytes;
    if (left < 0)
      throw new AppError("E_LIMIT", `${path}: metadata takes more than ${limit} bytes of memory, which is the limit`);
  };
}

async function readField(cursor: GgufCursor, what: string, spend: Spend): Promise<GgufField> {
  const type = await readFieldType(cursor, what);
  if (type !== "array") {
    const value = await readScalar(cursor, what, type);
    spend(memoryOf(value, type));
    return { type, value };
  }
  const of = await readFieldType(cursor, what);
  if (of === "array")
    throw new AppError("E_LIMIT", `${what}: arrays nested deeper than ${ggufLimits.arrayDepth} level`);
  await cursor.fill(8);
  const length = readCount(cursor, what, "elements", ggufLimits.arrayLength, scalarBytes[of]);
  spend(length * memoryBytes[of]); // before any of it is read
  const value: GgufScalar[] = [];
  for (let i = 0; i < length; i++) {
    const inBuffer = of !== "string" && cursor.has(scalarBytes[of]);
    const next = inBuffer ? scalarReaders[of](cursor, what) : await readScalar(cursor, what, of);
    if (typeof next === "string") spend(next.length);
    value.push(next);
  }
  return { type: "array", of, value };
}

async function readFieldType(cursor: GgufCursor, what: string): Promise<GgufScalarType | "array"> {
  await cursor.fill(4);
  const number = cursor.u32();
  const type = ggufFieldTypes[number];
  if (type === undefined) throw new AppError("E_FORMAT", `${what}: unknown type of value ${number}`);
  return type;
}

/** Of strings: their length. */
const scalarBytes: Readonly<Record<GgufScalarType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  string: 8,
  u64: 8,
  i64: 8,
  f64: 8,
};

/** Of memory for each value, with its place in an array; of a text besides its length. */
const memoryBytes: Readonly<Record<GgufScalarType, number>> = {
  u8: 8,
  i8: 8,
  u16: 8,
  i16: 8,
  u32: 8,
  i32: 8,
  f32: 8,
  bool: 8,
  string: 32,
  u64: 32,
  i64: 32,
  f64: 8,
};
/** Of an entry of the map and its object. */
const fieldBytes = 128;

const memoryOf = (value: GgufScalar, type: GgufScalarType): number =>
  memoryBytes[type] + (typeof value === "string" ? value.length : 0);

type FixedType = Exclude<GgufScalarType, "string">;
const scalarReaders: Readonly<Record<FixedType, (cursor: GgufCursor, what: string) => GgufScalar>> = {
  u8: (cursor) => cursor.u8(),
  i8: (cursor) => (cursor.u8() << 24) >> 24,
  u16: (cursor) => cursor.u16(),
  i16: (cursor) => (cursor.u16() << 16) >> 16,
  u32: (cursor) => cursor.u32(),
  i32: (cursor) => cursor.u32() | 0,
  f32: (cursor) => cursor.f32(),
  bool: (cursor, what) => {
    const value = cursor.u8();
    if (value > 1) throw new AppError("E_FORMAT", `${what}: expected true (1) or false (0), found ${value}`);
    return value === 1;
  },
  u64: (cursor) => smallInteger(cursor.u64()),
  i64: (cursor) => smallInteger(BigInt.asIntN(64, cursor.u64())),
  f64: (cursor) => cursor.f64(),
};

const smallInteger = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;

async function readScalar(cursor: GgufCursor, what: string, type: GgufScalarType): Promise<GgufScalar> {
  if (type === "string") return readString(cursor, what, ggufLimits.stringBytes);
  await cursor.fill(scalarBytes[type]);
  return scalarReaders[type](cursor, what);
}

async function readString(cursor: GgufCursor, what: string, limit: number): Promise<string> {
  if (!cursor.has(8)) await cursor.fill(8);
  const length = cursor.u64();
  if (length > limit) throw new AppError("E_LIMIT", `${what}: a text of ${length} bytes, the limit is ${limit}`);
  const bytes = Number(length);
  if (!cursor.has(bytes)) await cursor.fill(bytes);
  return cursor.text(bytes, what);
}

function alignmentOf(metadata: ReadonlyMap<string, GgufField>, path: string): number {
  const field = metadata.get("general.alignment");
  if (field === undefined) return 32;
  const { value } = field;
  if (
    typeof value !== "number" ||
    !Number.isInteger(value) ||
    value < 8 ||
    value > ggufLimits.alignment ||
    (value & (value - 1)) !== 0
  )
    throw new AppError(
      "E_FORMAT",
      `${path}: alignment should be a power of two from 8 to ${ggufLimits.alignment}, found ${String(value).slice(0, 40)}`,
    );
  return value;
}

/** A type that is not read has a name of its own, and no size. */
type ClaimedTensor = Pick<GgufTensor, "name" | "shape"> & {
  readonly kind: { readonly type: GgufTensorType; readonly bytes: number } | { readonly other: string };
  readonly relative: bigint;
};

async function readTensorEntries(cursor: GgufCursor, path: string, count: number): Promise<ClaimedTensor[]> {
  const found: ClaimedTensor[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const name = await readString(cursor, `${path}: name of tensor ${i}`, ggufLimits.nameBytes);
    const what = `${path}: tensor ${JSON.stringify(name)}`;
    if (names.has(name)) throw new AppError("E_FORMAT", `${what}: appears twice`);
    names.add(name);
    await cursor.fill(4);
    const rank = cursor.u32();
    if (rank < 1 || rank > ggufLimits.rank)
      throw new AppError("E_LIMIT", `${what}: ${rank} axes, expected 1 to ${ggufLimits.rank}`);
    await cursor.fill(8 * rank + 12);
    const shape: number[] = [];
    for (let axis = 0; axis < rank; axis++) shape.unshift(readSize(cursor.u64(), what));
    const number = cursor.u32();
    const type = ggufTypeById.get(number);
    const kind =
      type === undefined ? { other: otherTypeName(number) } : { type, bytes: sizeInBytes(shape, type, what) };
    found.push({ name, shape, kind, relative: cursor.u64() });
  }
  return found;
}

function readSize(size: bigint, what: string): number {
  if (size < 1n || size > BigInt(Number.MAX_SAFE_INTEGER))
    throw new AppError("E_FORMAT", `${what}: an axis of ${size} values`);
  return Number(size);
}

function sizeInBytes(shape: readonly number[], type: GgufTensorType, what: string): number {
  const { blockBytes, blockValues } = ggufTypes[type];
  const row = shape.at(-1)!;
  if (row % blockValues !== 0)
    throw new AppError(
      "E_FORMAT",
      `${what}: rows of ${row} values do not divide into ${type} blocks of ${blockValues}`,
    );
  let bytes = (row / blockValues) * blockBytes;
  for (const size of shape.slice(0, -1)) {
    bytes *= size;
    if (!Number.isSafeInteger(bytes)) throw new AppError("E_FORMAT", `${what}: shape [${shape}] overflows`);
  }
  return bytes;
}

type Placing = {
  readonly path: string;
  readonly alignment: number;
  readonly dataStart: number;
  readonly fileBytes: number;
};

/** Aligned, inside the file, and no two on the same bytes; one of unknown size takes at least one. */
function placeTensors(
  claimed: readonly ClaimedTensor[],
  { path, alignment, dataStart, fileBytes }: Placing,
): Pick<GgufFile, "tensors" | "unreadable"> {
  const tensors = new Map<string, GgufTensor>();
  const unreadable = new Map<string, UnreadableTensor>();
  for (const { name, shape, kind, relative } of claimed) {
    const what = `${path}: tensor ${JSON.stringify(name)}`;
    const bytes = "bytes" in kind ? kind.bytes : 1;
    if (relative % BigInt(alignment) !== 0n)
      throw new AppError("E_FORMAT", `${what}: begins at ${relative}, which is not a multiple of ${alignment}`);
    if (relative + BigInt(dataStart) + BigInt(bytes) > BigInt(fileBytes))
      throw new AppError("E_FORMAT", `${what}: ${bytes} bytes at ${relative} do not fit ${fileBytes} bytes of file`);
    const offset = dataStart + Number(relative);
    if ("other" in kind) unreadable.set(name, { name, shape, type: kind.other, offset });
    else tensors.set(name, { name, shape, ...kind, offset });
  }
  const sizes = [...tensors.values(), ...[...unreadable.values()].map((tensor) => ({ ...tensor, bytes: 1 }))];
  let end = dataStart;
  for (const { name, offset, bytes } of sizes.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    if (offset < end) throw new AppError("E_FORMAT", `${path}: tensor ${JSON.stringify(name)} overlaps another`);
    end = offset + bytes;
  }
  return { tensors, unreadable };
}
