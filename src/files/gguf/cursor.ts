/** @file A little-endian reading position in a file, buffered: what a header of unknown length is read with. */
import type { FileHandle } from "node:fs/promises";
import { AppError } from "../../base/errors.ts";

/** Reads are of what `fill` brought into memory; each moves the position behind itself. */
export type GgufCursor = {
  /** Brings the next `bytes` into memory. Throws E_FORMAT where the file ends before. */
  fill(bytes: number): Promise<void>;
  /** Whether the next `bytes` are in memory. */
  has(bytes: number): boolean;
  position(): number;
  /** Bytes of the file behind the position. */
  remaining(): number;
  u8(): number;
  u16(): number;
  u32(): number;
  u64(): bigint;
  f32(): number;
  f64(): number;
  /** UTF-8. Throws E_FORMAT where it is not. */
  text(bytes: number, what: string): string;
};

const pieceBytes = 65_536;

/** A cursor at the start of a file of `fileBytes` bytes. */
export function createCursor(file: FileHandle, path: string, fileBytes: number): GgufCursor {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }); // a token may be the byte order mark
  let buffer = Buffer.alloc(Math.min(pieceBytes, fileBytes));
  let start = 0; // of the buffer, in the file
  let held = 0; // bytes in the buffer
  let at = 0; // in the buffer

  function take(bytes: number): number {
    const from = at;
    if (from + bytes > held) throw new Error("internal: read beyond what was filled");
    at += bytes;
    return from;
  }
  const has = (bytes: number) => at + bytes <= held;

  async function fill(bytes: number): Promise<void> {
    if (has(bytes)) return;
    const position = start + at;
    if (position + bytes > fileBytes)
      throw new AppError("E_FORMAT", `${path}: ends at byte ${fileBytes}, expected ${bytes} more from ${position}`);
    if (bytes > buffer.length) {
      const larger = Buffer.alloc(bytes);
      buffer.copy(larger, 0, at, held);
      buffer = larger;
    } else buffer.copy(buffer, 0, at, held);
    held -= at;
    start = position;
    at = 0;
    while (held < bytes) {
      const { bytesRead } = await file.read(buffer, held, buffer.length - held, start + held);
      if (bytesRead === 0) throw new AppError("E_FORMAT", `${path}: ends at byte ${start + held}, it was cut off`);
      held += bytesRead;
    }
  }

  return {
    fill,
    has,
    position: () => start + at,
    remaining: () => fileBytes - start - at,
    u8: () => buffer.readUInt8(take(1)),
    u16: () => buffer.readUInt16LE(take(2)),
    u32: () => buffer.readUInt32LE(take(4)),
    u64: () => buffer.readBigUInt64LE(take(8)),
    f32: () => buffer.readFloatLE(take(4)),
    f64: () => buffer.readDoubleLE(take(8)),
    text(bytes, what) {
      const from = take(bytes);
      try {
        return decoder.decode(buffer.subarray(from, from + bytes));
      } catch (cause) {
        throw new AppError("E_FORMAT", `${what}: not valid UTF-8`, { cause });
      }
    },
  };
}
