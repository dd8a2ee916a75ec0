/** @file Writing GGUF 3: deterministic bytes, atomically, one tensor in memory at a time. */
import type { FileHandle } from "node:fs/promises";
import { writeAtomic } from "../../base/atomic-file.ts";
import { AppError } from "../../base/errors.ts";
import { type GgufField, type GgufScalar, type GgufScalarType, ggufFieldTypes, ggufLimits } from "./read.ts";
import { type GgufTensorType, ggufTypes } from "./types.ts";

export type GgufTensorToWrite = {
  readonly name: string;
  readonly type: GgufTensorType;
  /** The outermost axis first. */
  readonly shape: readonly number[];
  /** fp32, row-major; called when its turn comes. */
  readonly data: () => Float32Array | Promise<Float32Array>;
};

const alignment = 32;

/** Writes the fields and tensors in the order given. Throws E_DTYPE, E_SHAPE, E_LIMIT, E_FORMAT or E_IO. */
export async function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, GgufField>,
  tensors: readonly GgufTensorToWrite[],
): Promise<void> {
  const header = makeHeader(path, metadata, tensors);
  await writeAtomic(path, async (file) => {
    await writePadded(file, header);
    for (const tensor of tensors) await writePadded(file, await encode(tensor, path));
  });
}

function makeHeader(
  path: string,
  metadata: ReadonlyMap<string, GgufField>,
  tensors: readonly GgufTensorToWrite[],
): Uint8Array {
  const names = new Set(tensors.map(({ name }) => name));
  if (names.size < tensors.length) throw new AppError("E_FORMAT", `cannot write ${path}: two tensors of one name`);
  const parts: Uint8Array[] = [u32(0x46554747), u32(3), u64(tensors.length), u64(metadata.size)];
  for (const [key, field] of metadata) parts.push(text(key), encodeField(field));
  let offset = 0;
  for (const tensor of tensors) {
    const { name, shape, type } = tensor;
    if (shape.length > ggufLimits.rank || Buffer.byteLength(name) > ggufLimits.nameBytes)
      throw new AppError("E_LIMIT", `cannot write ${path}: name or shape of ${JSON.stringify(name)} is too long`);
    parts.push(text(name), u32(shape.length), ...[...shape].reverse().map(u64), u32(ggufTypes[type].id), u64(offset));
    offset = padded(offset + sizeOf(tensor, path));
  }
  return Buffer.concat(parts);
}

function encodeField(field: GgufField): Uint8Array {
  const number = u32(ggufFieldTypes.indexOf(field.type));
  if (field.type !== "array") return Buffer.concat([number, scalarWriters[field.type](field.value)]);
  const of = u32(ggufFieldTypes.indexOf(field.of));
  const values = field.value.map((value) => scalarWriters[field.of](value));
  return Buffer.concat([number, of, u64(values.length), Buffer.concat(values)]); // there may be too many to be arguments
}

const scalarWriters: Readonly<Record<GgufScalarType, (value: GgufScalar) => Uint8Array>> = {
  u8: (value) => filled(1, (out) => out.writeUInt8(Number(value))),
  i8: (value) => filled(1, (out) => out.writeInt8(Number(value))),
  u16: (value) => filled(2, (out) => out.writeUInt16LE(Number(value))),
  i16: (value) => filled(2, (out) => out.writeInt16LE(Number(value))),
  u32: (value) => u32(Number(value)),
  i32: (value) => filled(4, (out) => out.writeInt32LE(Number(value))),
  f32: (value) => filled(4, (out) => out.writeFloatLE(Number(value))),
  bool: (value) => filled(1, (out) => out.writeUInt8(value === true ? 1 : 0)),
  string: (value) => text(String(value)),
  u64: (value) => u64(value as number | bigint),
  i64: (value) => filled(8, (out) => out.writeBigInt64LE(BigInt(value as number | bigint))),
  f64: (value) => filled(8, (out) => out.writeDoubleLE(Number(value))),
};

function filled(bytes: number, write: (out: Buffer) => void): Uint8Array {
  const out = Buffer.alloc(bytes);
  write(out);
  return out;
}
const u32 = (value: number) => filled(4, (out) => out.writeUInt32LE(value));
const u64 = (value: number | bigint) => filled(8, (out) => out.writeBigUInt64LE(BigInt(value)));
const text = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const padded = (bytes: number) => Math.ceil(bytes / alignment) * alignment;

function sizeOf({ name, shape, type }: GgufTensorToWrite, path: string): number {
  const { blockBytes, blockValues } = ggufTypes[type];
  const row = shape.at(-1) ?? 1;
  if (row % blockValues !== 0)
    throw new AppError(
      "E_SHAPE",
      `cannot write ${path}: ${name} [${shape}] has rows that do not divide into ${type} blocks of ${blockValues}`,
    );
  return (shape.reduce((a, b) => a * b, 1) / blockValues) * blockBytes;
}

async function encode(tensor: GgufTensorToWrite, path: string): Promise<Uint8Array> {
  const { name, shape, type } = tensor;
  const { encode } = ggufTypes[type];
  if (encode === undefined)
    throw new AppError("E_DTYPE", `cannot write ${path}: ${name} as ${type}, which is read only`);
  const values = await tensor.data();
  const wanted = shape.reduce((a, b) => a * b, 1);
  if (values.length !== wanted)
    throw new AppError(
      "E_SHAPE",
      `cannot write ${path}: ${name} [${shape}] needs ${wanted} values, has ${values.length}`,
    );
  return encode(values);
}

/** Node writes at most 2 GiB at a time. */
async function writePadded(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(2 ** 30, bytes.length - done));
    done += bytesWritten;
  }
  const rest = padded(bytes.length) - bytes.length;
  if (rest > 0) await file.write(new Uint8Array(rest));
}
