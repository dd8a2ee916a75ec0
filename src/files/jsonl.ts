/** @file JSON lines, plain or gzipped: read as a stream with bounds, appended one record at a time. */
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { AppError } from "../base/errors.ts";
import { ioError } from "../base/io-error.ts";
import { type JsonValue, parseJson } from "../base/json.ts";
import { withRegularFile } from "../base/read-file.ts";
import { decodeUtf8 } from "../base/utf8.ts";

/** Bounds for a data file; the second holds for what a `.gz` expands to. */
export const jsonlLimits = { lineBytes: 16 * 2 ** 20, expandedBytes: 8 * 2 ** 30 } as const;

export interface ReadJsonlOptions {
  readonly maxLineBytes?: number;
  readonly maxExpandedBytes?: number;
}

/**
 * Yields the value of each line that is not blank; a name ending in `.gz` is unpacked on the way. Throws E_NOT_FOUND,
 * E_IO, E_LIMIT for a line or an expansion beyond its bound, E_FORMAT with the line's number for anything else.
 */
export async function* readJsonl(
  path: string,
  { maxLineBytes = jsonlLimits.lineBytes, maxExpandedBytes = jsonlLimits.expandedBytes }: ReadJsonlOptions = {},
): AsyncGenerator<JsonValue, void> {
  let lineNumber = 0;
  for await (const line of splitLines(readChunks(path, maxExpandedBytes), path, maxLineBytes)) {
    lineNumber++;
    const what = `${path}:${lineNumber}`;
    const text = decodeUtf8(line, what).trim();
    if (text !== "") yield parseJson(text, { what, maxBytes: maxLineBytes });
  }
}

/**
 * Appends one record as a line. A last line that was cut off (the writer was killed) is removed first; a complete one
 * that merely lacks its line end is kept. Throws E_IO.
 */
export async function appendJsonl(path: string, value: unknown): Promise<void> {
  try {
    const file = await open(path, "a+");
    try {
      const separator = await mendTail(file);
      await file.appendFile(`${separator}${JSON.stringify(value)}\n`);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw ioError(error, "write", path);
  }
}

/** Removes a last line that was cut off, and ends a complete one that lacks its line end. Throws E_NOT_FOUND, E_IO. */
export async function mendJsonl(path: string): Promise<void> {
  try {
    const file = await open(path, "r+");
    try {
      const separator = await mendTail(file);
      if (separator !== "") await file.write(separator, (await file.stat()).size);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw ioError(error, "write", path);
  }
}

async function* readChunks(path: string, maxExpandedBytes: number): AsyncGenerator<Buffer, void> {
  await withRegularFile(path, async () => undefined);
  const source = createReadStream(path, { highWaterMark: 1 << 18 });
  const isGzip = path.endsWith(".gz");
  const stream = isGzip ? source.pipe(createGunzip()) : source;
  source.on("error", (error) => stream.destroy(error));
  let expandedBytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      expandedBytes += chunk.length;
      if (isGzip && expandedBytes > maxExpandedBytes)
        throw new AppError("E_LIMIT", `${path}: expands to more than ${maxExpandedBytes} bytes`);
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

async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  path: string,
  maxLineBytes: number,
): AsyncGenerator<Uint8Array, void> {
  let parts: Buffer[] = [];
  let partsBytes = 0;
  const add = (part: Buffer) => {
    partsBytes += part.length;
    if (partsBytes > maxLineBytes) throw new AppError("E_LIMIT", `${path}: a line of more than ${maxLineBytes} bytes`);
    parts.push(part);
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      add(chunk.subarray(start, end));
      yield parts.length === 1 ? parts[0]! : Buffer.concat(parts);
      parts = [];
      partsBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  if (partsBytes > 0) yield Buffer.concat(parts);
}

/** Cuts off a torn last line, and returns what must stand before the next record. */
async function mendTail(file: FileHandle): Promise<"" | "\n"> {
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
  try {
    JSON.parse(tail.toString());
    return "\n";
  } catch {
    await file.truncate(size - tail.length);
    return "";
  }
}
