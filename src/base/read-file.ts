/**
 * @file The one way to read files: regular ones only, bounded in size and time. A path may name a pipe, a device, or a file of the system that
 * says it has no bytes and never ends; a network may stop answering.
 */
import { constants, copyFile, type FileHandle, open } from "node:fs/promises";
import { AppError } from "./errors.ts";
import { ioError } from "./io-error.ts";

/** How long one answer of the system may take, and the whole of a file that is read at once. */
export const readLimits = { answerMs: 60_000, fileMs: 300_000, chunkBytes: 2 ** 20 } as const;

/** Opens, uses and closes a regular file of `bytes` bytes. Throws E_NOT_FOUND, E_IO; E_FORMAT for pipes and devices. */
export async function withRegularFile<T>(
  path: string,
  use: (file: FileHandle, bytes: number) => Promise<T>,
): Promise<T> {
  try {
    const opening = open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)); // a pipe must not block here
    const file = await answered(opening, path).catch((error: unknown) => {
      void opening.then((late) => late.close()).catch(() => undefined);
      throw error;
    });
    let isAnswering = true;
    try {
      const stat = await file.stat();
      if (stat.isDirectory()) throw new AppError("E_IO", `cannot read ${path}: is a folder, expected a file`);
      if (!stat.isFile()) throw new AppError("E_FORMAT", `${path}: not a regular file`);
      return await use(file, stat.size);
    } catch (error) {
      isAnswering = !(error instanceof NoAnswer);
      throw error;
    } finally {
      const closing = file.close(); // which waits for what is being read
      if (isAnswering) await closing;
      else void closing.catch(() => undefined);
    }
  } catch (error) {
    throw ioError(error, "read", path);
  }
}

export type ReadOptions = {
  /** A clock in milliseconds. */
  readonly now?: () => number;
};

/** A whole file of at most `maxBytes`, whatever size it says it has. Throws as `withRegularFile`, and E_LIMIT. */
export async function readFileBounded(
  path: string,
  maxBytes: number,
  { now = () => performance.now() }: ReadOptions = {},
): Promise<Uint8Array> {
  return withRegularFile(path, async (file, size) => {
    if (size > maxBytes) throw new AppError("E_LIMIT", `${path}: ${size} bytes, the limit is ${maxBytes} bytes`);
    const startedMs = now();
    const read = async (buffer: Uint8Array): Promise<number> => {
      if (now() - startedMs > readLimits.fileMs)
        throw new AppError("E_IO", `cannot read ${path}: takes more than ${readLimits.fileMs / 1000} s`);
      return readInto(file, buffer, path);
    };
    const expected = Buffer.allocUnsafe(size);
    let bytes = 0;
    for (let count = 1; bytes < size && count > 0; bytes += count)
      count = await read(expected.subarray(bytes, bytes + readLimits.chunkBytes));
    if (bytes < size) return expected.subarray(0, bytes);
    const more: Uint8Array[] = []; // than the file says it has
    for (;;) {
      const buffer = Buffer.allocUnsafe(4096);
      const count = await read(buffer);
      if (count === 0) return more.length === 0 ? expected : Buffer.concat([expected, ...more]);
      bytes += count;
      if (bytes > maxBytes) throw new AppError("E_LIMIT", `${path}: more than ${maxBytes} bytes`);
      more.push(buffer.subarray(0, count));
    }
  });
}

/** The bytes of a file in pieces, each valid for good; no bound but their own. Throws as `withRegularFile`. */
export async function* readChunks(path: string): AsyncGenerator<Uint8Array, void> {
  const { file, size, done } = await holdOpen(path);
  try {
    for (let left = size; ; ) {
      const buffer = Buffer.allocUnsafe(Math.min(readLimits.chunkBytes, Math.max(left, 4096))); // a small file takes little
      const count = await readInto(file, buffer, path);
      if (count === 0) return;
      left -= count;
      yield buffer.subarray(0, count);
    }
  } catch (error) {
    throw ioError(error, "read", path);
  } finally {
    done();
  }
}

/** A copy of a regular file. Throws as `withRegularFile`; E_IO where it cannot be written. */
export async function copyRegularFile(source: string, target: string): Promise<void> {
  await withRegularFile(source, async () => undefined);
  try {
    await copyFile(source, target);
  } catch (error) {
    throw ioError(error, "write", target);
  }
}

/** The file of `withRegularFile` for as long as a generator runs. */
function holdOpen(path: string): Promise<{ file: FileHandle; size: number; done: () => void }> {
  return new Promise((opened, failed) => {
    withRegularFile(path, (file, size) => new Promise<void>((done) => opened({ file, size, done }))).catch(failed);
  });
}

/** Fills a buffer from where the last read ended, as far as one read does. Returns how many bytes came. */
const readInto = async (file: FileHandle, buffer: Uint8Array, path: string): Promise<number> =>
  (await answered(file.read(buffer, 0, buffer.length, null), path)).bytesRead;

/** The system did not answer in time. What it was asked may still be under way. */
class NoAnswer extends AppError {}

/** Throws E_IO where the system does not answer in time. */
async function answered<T>(asked: Promise<T>, path: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    const seconds = readLimits.answerMs / 1000;
    timer = setTimeout(
      () => fail(new NoAnswer("E_IO", `cannot read ${path}: no answer for ${seconds} s`)),
      readLimits.answerMs,
    );
  });
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
