/** @file One file from the hub onto the disk: resumed where it was cut, and only kept when size and hash are right. */
import type { Hash } from "node:crypto";
import { constants, type FileHandle, lstat, open, rename, rm } from "node:fs/promises";
import { AppError } from "../base/errors.ts";
import { ioError } from "../base/io-error.ts";
import { takeLock } from "../base/lock.ts";
import {
  fetchFile,
  type HubConnection,
  type HubFile,
  HubUnreachable,
  reason,
  refusal,
  requireDownloading,
  stallDefaultMs,
} from "./api.ts";
import type { HubId } from "./id.ts";
import { contentHash, isSound } from "./sound.ts";

export type BlobOptions = HubConnection & {
  /** Attempts in a row that bring nothing before it is given up. */
  readonly retries?: number;
  /** Waits between attempts. */
  readonly wait?: (ms: number) => Promise<void>;
  /** Told of bytes that came, also of those an earlier run brought. */
  readonly onBytes?: (bytes: number) => void;
};

/** What a blob's download needs to know. */
export type BlobSource = { readonly id: HubId; readonly commit: string; readonly file: HubFile };

/**
 * Makes sure that `path` holds the file. A download that was cut goes on from `path`.incomplete, by other runs too.
 * @throws E_IO where it stays cut (what came is kept), E_FORMAT where size or hash differ (what came is deleted),
 *   E_NOT_FOUND, E_INTERRUPTED
 */
export async function downloadBlob(path: string, source: BlobSource, options: BlobOptions): Promise<void> {
  const { file } = source;
  if (await isSound(path, file, options)) return options.onBytes?.(file.bytes);
  const lock = `${path}.lock`;
  const unlock = await takeLock(
    lock,
    (holder) => `${describe(source)}: process ${holder} is downloading it; if not, delete ${lock}`,
  );
  try {
    const partial = `${path}.incomplete`;
    await fill(partial, source, options);
    await rename(partial, path);
  } catch (error) {
    throw ioError(error, "write", path);
  } finally {
    await unlock();
  }
}

/** Where the content goes, and what is known of it. */
type Partial = { readonly handle: FileHandle; hash: Hash; bytes: number };

/** Slower than this a connection counts as broken: bytes per second, over the time after which silence does. */
const slowest = 1024;
/** What a connection that became too slow must have brought for it not to count as a failure. */
const progressBytes = 2 ** 20;

/** Why a connection ended early. */
type Ended = { readonly why: string; readonly isSlow: boolean };
const ended = (why: string): Ended => ({ why, isSlow: false });

async function fill(path: string, source: BlobSource, options: BlobOptions): Promise<void> {
  const { retries = 5, wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms)) } = options;
  const { file } = source;
  const handle = await openPartial(path);
  try {
    const partial: Partial = { handle, hash: contentHash(file), bytes: 0 };
    await takeUp(partial, file);
    options.onBytes?.(partial.bytes);
    for (let failures = 0; partial.bytes < file.bytes; ) {
      const before = partial.bytes;
      const ended = await attempt(path, partial, source, options);
      requireDownloading(options.signal);
      if (ended === undefined) continue;
      const enough = ended.isSlow ? progressBytes : 1;
      failures = partial.bytes - before >= enough ? 0 : failures + 1;
      if (failures >= retries) throw cutShort(source, options, partial.bytes, ended.why);
      await wait(Math.min(30_000, 500 * 2 ** failures));
    }
    await handle.sync();
    const found = partial.hash.digest("hex");
    if (found !== file.hash.hex) {
      await rm(path);
      throw new AppError(
        "E_FORMAT",
        `${describe(source)}: expected ${file.hash.kind === "git" ? "git hash" : "sha256"} ${file.hash.hex}, found ${found}; the download was deleted`,
      );
    }
  } finally {
    await handle.close();
  }
}

/** A link could lead to somebody's file, and a pipe would be waited for: neither is what an earlier run left. */
async function openPartial(path: string): Promise<FileHandle> {
  const found = await lstat(path).catch(() => undefined);
  if (found !== undefined && !found.isFile()) await rm(path);
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW = 0 } = constants;
  return open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW);
}

/** Reads what an earlier run left; more than the whole file is no beginning of it. */
async function takeUp(partial: Partial, file: HubFile): Promise<void> {
  const { size } = await partial.handle.stat();
  if (size > file.bytes) return restart(partial, file);
  const content = partial.handle.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 20 });
  for await (const chunk of content) partial.hash.update(chunk as Buffer);
  partial.bytes = size;
}

async function restart(partial: Partial, file: HubFile): Promise<void> {
  await partial.handle.truncate(0);
  partial.hash = contentHash(file);
  partial.bytes = 0;
}

/** One connection. Undefined where the file is complete. */
async function attempt(
  path: string,
  partial: Partial,
  source: BlobSource,
  options: BlobOptions,
): Promise<Ended | undefined> {
  const { file } = source;
  let response: Response;
  try {
    response = await fetchFile(options, source.id, source.commit, file.name, partial.bytes);
  } catch (error) {
    if (error instanceof HubUnreachable) return ended(error.message);
    throw error;
  }
  try {
    if (response.status === 416 || (response.status === 200 && partial.bytes > 0)) {
      options.onBytes?.(-partial.bytes);
      await restart(partial, file); // the range was not served
      if (response.status === 416) return ended("the range was refused");
    } else if (response.status === 206) requireRange(response, partial.bytes, source);
    else if (!response.ok) {
      const error = refusal(options, source.id, response);
      if (error instanceof HubUnreachable) return ended(error.message);
      throw error;
    }
    return await receive(path, response, partial, source, options);
  } finally {
    await response.body?.cancel().catch(() => undefined);
  }
}

function requireRange(response: Response, from: number, source: BlobSource): void {
  const range = response.headers.get("content-range") ?? "none";
  if (range !== `bytes ${from}-${source.file.bytes - 1}/${source.file.bytes}`)
    throw new AppError(
      "E_FORMAT",
      `${describe(source)}: expected bytes ${from} to the end of ${source.file.bytes}, found range ${JSON.stringify(range)}`,
    );
}

async function receive(
  path: string,
  { body }: Response,
  partial: Partial,
  source: BlobSource,
  { signal, onBytes, stallMs = stallDefaultMs }: BlobOptions,
): Promise<Ended | undefined> {
  const { file } = source;
  const reader = body?.getReader();
  if (reader === undefined) return ended("an empty answer");
  const stop = () => void reader.cancel().catch(() => undefined);
  const watch = watchSpeed(stallMs, stop);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      watch.add(value.length);
      if (partial.bytes + value.length > file.bytes) {
        await rm(path);
        throw new AppError(
          "E_FORMAT",
          `${describe(source)}: expected ${file.bytes} bytes, found more; the download was deleted`,
        );
      }
      await writeAll(partial.handle, value);
      partial.hash.update(value);
      partial.bytes += value.length;
      onBytes?.(value.length);
    }
  } catch (error) {
    if (
      error instanceof AppError ||
      ((error as NodeJS.ErrnoException).syscall !== undefined && (error as NodeJS.ErrnoException).syscall === "write")
    )
      throw error;
    return ended(reason(error));
  } finally {
    watch.end();
    signal?.removeEventListener("abort", stop);
  }
  if (partial.bytes === file.bytes) return undefined;
  const why = watch.tooSlow();
  return why === undefined ? ended("the connection ended") : { why, isSlow: true };
}

/** Looks every `periodMs` at what came since, and calls `stop` where that is too little: one byte now and then would keep a connection for ever. */
function watchSpeed(periodMs: number, stop: () => void) {
  let bytes = 0;
  let why: string | undefined;
  const timer = setInterval(() => {
    if (bytes < (slowest * periodMs) / 1000) {
      why = `${bytes === 0 ? "nothing" : `no more than ${bytes} bytes`} came for ${periodMs / 1000} s`;
      stop();
    }
    bytes = 0;
  }, periodMs);
  return {
    add: (more: number) => {
      bytes += more;
    },
    tooSlow: () => why,
    end: () => clearInterval(timer),
  };
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
}

const describe = ({ id, file }: BlobSource): string => `${id.owner}/${id.name}: ${file.name}`;

const cutShort = (source: BlobSource, { url }: BlobOptions, bytes: number, why: string): AppError =>
  new AppError(
    "E_IO",
    `${describe(source)}: cut short after ${bytes} of ${source.file.bytes} bytes from ${url} (${why}); what came is kept, the same command goes on from there`,
  );
