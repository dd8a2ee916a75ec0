/** @file JSON lines, plain or gzipped: read as a stream with bounds, appended one record at a time. */
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { AppError } from "../base/errors.ts";
import { ioError } from "../base/io-error.ts";
import { isJson, type JsonValue, jsonLimits, parseJson } from "../base/json.ts";
import { readChunks } from "../base/read-file.ts";
import { decodeUtf8 } from "../base/utf8.ts";

/**
 * Bounds for a data file: of a line; of what a `.gz` expands to, by itself and, beyond `freeBytes`, by its size (text is packed to a tenth, and
 * what is packed to a thousandth is none); of blank lines together.
 */
export const jsonlLimits = {
  lineBytes: 16 * 2 ** 20,
  expandedBytes: 8 * 2 ** 30,
  freeBytes: 64 * 2 ** 20,
  expansion: 200,
  blankBytes: 2 ** 20,
} as const;

export interface ReadJsonlOptions {
  readonly maxLineBytes?: number;
  readonly maxExpandedBytes?: number;
  /** Values of one line. */
  readonly maxValues?: number;
}

/**
 * Yields the value of each line that is not blank; a name ending in `.gz` is unpacked on the way. Throws E_NOT_FOUND,
 * E_IO, E_LIMIT for a line or an expansion beyond its bound, E_FORMAT with the line's number for anything else.
 */
export async function* readJsonl(
  path: string,
  {
    maxLineBytes = jsonlLimits.lineBytes,
    maxExpandedBytes = jsonlLimits.expandedBytes,
    maxValues = jsonLimits.maxValues,
  }: ReadJsonlOptions = {},
): AsyncGenerator<JsonValue, void> {
  let blankBytes = 0;
  const countBlank = (bytes: number) => {
    blankBytes += bytes;
    if (blankBytes > jsonlLimits.blankBytes)
      throw new AppError("E_LIMIT", `${path}: blank lines of more than ${jsonlLimits.blankBytes} bytes`);
  };
  for await (const { bytes, number } of splitLines(
    readUnpacked(path, maxExpandedBytes),
    path,
    maxLineBytes,
    countBlank,
  )) {
    const what = `${path}:${number}`;
    const text = decodeUtf8(bytes, what).trim();
    if (text === "") countBlank(bytes.length);
    else yield parseJson(text, { what, maxBytes: maxLineBytes, maxValues });
  }
}

/**
 * Appends one record as a line. A last line that was cut off (the writer was killed) is removed first; a complete one
 * that merely lacks its line end is kept. Throws E_IO; E_FORMAT where the last line is no record.
 */
export async function appendJsonl(path: string, value: unknown): Promise<void> {
  try {
    const file = await open(path, "a+");
    try {
      const separator = await mendTail(file, path);
      await file.appendFile(`${separator}${JSON.stringify(value)}\n`);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw ioError(error, "write", path);
  }
}

/** Removes a last line that was cut off, and ends a complete one that lacks its line end. Throws E_NOT_FOUND, E_IO; E_FORMAT where it is no record. */
export async function mendJsonl(path: string): Promise<void> {
  try {
    const file = await open(path, "r+");
    try {
      const separator = await mendTail(file, path);
      if (separator !== "") await file.write(separator, (await file.stat()).size);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw ioError(error, "write", path);
  }
}

async function* readUnpacked(path: string, maxExpandedBytes: number): AsyncGenerator<Uint8Array, void> {
  if (!path.endsWith(".gz")) return yield* readChunks(path);
  let packedBytes = 0;
  const counted = async function* () {
    for await (const chunk of readChunks(path)) {
      packedBytes += chunk.length;
      yield chunk;
    }
  };
  const source = Readable.from(counted(), { objectMode: false });
  const stream = source.pipe(createGunzip());
  source.on("error", (error) => stream.destroy(error));
  let expandedBytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      expandedBytes += chunk.length;
      if (expandedBytes > maxExpandedBytes)
        throw new AppError("E_LIMIT", `${path}: expands to more than ${maxExpandedBytes} bytes`);
      if (expandedBytes > Math.max(jsonlLimits.freeBytes, packedBytes * jsonlLimits.expansion))
        throw new AppError("E_LIMIT", `${path}: expands to more than ${jsonlLimits.expansion} times its size`);
      yield chunk;
    }
  } catch (error) {
    if (String((error as NodeJS.ErrnoException).code).startsWith("Z_"))
      throw new AppError("E_FORMAT", `${path}: not a complete gzip file (${(error as Error).message})`, {
        cause: error,
      });
    throw ioError(error, "read", path);
  } finally {
    source.destroy();
    stream.destroy();
  }
}

type Line = { readonly bytes: Uint8Array; readonly number: number };

/** The lines that are not blank; of the others `countBlank` is told the bytes. */
async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  maxLineBytes: number,
  countBlank: (bytes: number) => void,
): AsyncGenerator<Line, void> {
  let parts: Uint8Array[] = [];
  let partsBytes = 0;
  let number = 0;
  const add = (part: Uint8Array) => {
    partsBytes += part.length;
    if (partsBytes > maxLineBytes) throw new AppError("E_LIMIT", `${path}: a line of more than ${maxLineBytes} bytes`);
    parts.push(part);
  };
  const end = (): Line | undefined => {
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    parts = [];
    partsBytes = 0;
    number++;
    if (bytes.some((byte) => byte > 0x20)) return { bytes, number };
    countBlank(bytes.length + 1);
    return undefined;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, start)) {
      add(chunk.subarray(start, at));
      const line = end();
      if (line !== undefined) yield line;
      start = at + 1;
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  const last = partsBytes > 0 ? end() : undefined;
  if (last !== undefined) yield last;
}

/**
 * Cuts off a torn last line, and returns what must stand before the next record. What cannot be the beginning of a record is somebody's
 * text, and stays: E_FORMAT.
 */
async function mendTail(file: FileHandle, path: string): Promise<"" | "\n"> {
  const { size } = await file.stat();
  let tail = Buffer.alloc(0); // what follows the last line end
  let position = size;
  while (position > 0) {
    const length = Math.min(1 << 16, position);
    position -= length;
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, position);
    const lineEnd = buffer.lastIndexOf(0x0a);
    tail = Buffer.concat([buffer.subarray(lineEnd + 1), tail]);
    if (lineEnd !== -1) break;
  }
  if (tail.length === 0) return "";
  if (isJson(tail.toString())) return "\n";
  if (tail[0] !== 0x7b)
    throw new AppError("E_FORMAT", `${path}: expected JSON objects, one a line, found other text at the end`);
  await file.truncate(size - tail.length);
  return "";
}
